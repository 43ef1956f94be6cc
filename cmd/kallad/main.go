// Command kallad takes reconciliation jobs from others and runs them.
package main

import (
	"os"

	"kalla/cmd/internal/process"
	"kalla/internal/cli"
)

func main() { os.Exit(run()) }

func run() int { return process.Run(cli.Daemon) }
