module tests/support/certs

go 1.26.0
