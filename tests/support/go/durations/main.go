// durations answers what time.ParseDuration makes of each line of its input, a JSON string: nanoseconds, or "refused".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"
)

func main() {
	input, output := json.NewDecoder(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var text string
		if err := input.Decode(&text); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		if duration, err := time.ParseDuration(text); err != nil {
			fmt.Fprintln(output, "refused")
		} else {
			fmt.Fprintln(output, duration.Nanoseconds())
		}
		if err := output.Flush(); err != nil {
			log.Fatal(err)
		}
	}
}
