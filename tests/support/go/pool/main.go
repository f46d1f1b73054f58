// pool carries the load of benchmarks/pools/load.py on database/sql and pgx's driver, and prints what came of it.
//
// PGHOST and its like say where, POOL_CLIENTS, POOL_CONNECTIONS and POOL_SECONDS what.
package main

import (
	"database/sql"
	"encoding/json"
	"log"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
)

const warmUp = time.Second

func main() {
	clients := must(strconv.Atoi(os.Getenv("POOL_CLIENTS")))
	connections := must(strconv.Atoi(os.Getenv("POOL_CONNECTIONS")))
	seconds := must(strconv.ParseFloat(os.Getenv("POOL_SECONDS"), 64))
	database := must(sql.Open("pgx", ""))
	database.SetMaxOpenConns(connections)
	database.SetMaxIdleConns(connections)
	carry(database, clients, warmUp)
	started, before := time.Now(), cpu()
	took := carry(database, clients, time.Duration(seconds*float64(time.Second)))
	elapsed, used := time.Since(started), cpu()-before
	slices.Sort(took)
	figures := map[string]float64{
		"per_second": float64(len(took)) / elapsed.Seconds(),
		"p50_ms":     milliseconds(took[len(took)/2]),
		"p99_ms":     milliseconds(took[len(took)*99/100]),
		"cpu_us":     milliseconds(used) * 1000 / float64(len(took)),
	}
	if err := json.NewEncoder(os.Stdout).Encode(figures); err != nil {
		log.Fatal(err)
	}
}

// carry returns how long each use took: to get a connection, ask, and give it back.
func carry(database *sql.DB, clients int, length time.Duration) []time.Duration {
	until := time.Now().Add(length)
	took := make([][]time.Duration, clients)
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for now := time.Now(); now.Before(until); {
				var one int
				if err := database.QueryRow("SELECT 1").Scan(&one); err != nil {
					log.Fatal(err)
				}
				done := time.Now()
				took[client] = append(took[client], done.Sub(now))
				now = done
			}
		})
	}
	all.Wait()
	return slices.Concat(took...)
}

// cpu is the time that this process has had of all cores.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func milliseconds(duration time.Duration) float64 {
	return duration.Seconds() * 1000
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
