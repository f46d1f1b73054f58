// A peer of the engine, for benchmarks and for the tests of what it does better.
module tests/support/golang-migrate

go 1.26.0

require github.com/golang-migrate/migrate/v4 v4.19.1 // indirect
