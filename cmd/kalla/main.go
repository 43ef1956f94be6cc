// Command kalla reconciles two sources of records and proves the result.
package main

import (
	"os"

	"kalla/cmd/internal/process"
	"kalla/internal/cli"
)

func main() { os.Exit(run()) }

func run() int { return process.Run(cli.Main) }
