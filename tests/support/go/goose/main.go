// goose runs the migrations of a folder as a program that embeds goose does: its Provider, with the session lock.
//
//	goose URL FOLDER up|down-all [no-lock]
package main

import (
	"context"
	"database/sql"
	"log"
	"os"

	_ "github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: goose URL FOLDER up|down-all [no-lock]")
	}
	database := must(sql.Open("postgres", os.Args[1]))
	var options []goose.ProviderOption
	if len(os.Args) == 4 {
		options = append(options, goose.WithSessionLocker(must(lock.NewPostgresSessionLocker())))
	}
	provider := must(goose.NewProvider(goose.DialectPostgres, database, os.DirFS(os.Args[2]), options...))
	var done []*goose.MigrationResult
	switch os.Args[3] {
	case "up":
		done = must(provider.Up(context.Background()))
	case "down-all":
		done = must(provider.DownTo(context.Background(), 0))
	default:
		log.Fatalf("unknown command %q", os.Args[3])
	}
	for _, result := range done {
		log.Print(result)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
