module tests/support/durations

go 1.26.0
