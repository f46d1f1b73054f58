// A peer of the engine, for benchmarks and for the tests of what it does better.
module tests/support/goose

go 1.26.0

require (
	github.com/lib/pq v1.10.9
	github.com/pressly/goose/v3 v3.27.3
)

require (
	github.com/mfridman/interpolate v0.0.2 // indirect
	github.com/sethvargo/go-retry v0.4.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
)
