// Command kalla reconciles two sources of records and proves the result.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"

	"kalla/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: finding the working directory:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal cancels; from then on the next one kills.
	context.AfterFunc(ctx, stop)

	width := 0
	if w, _, err := term.GetSize(os.Stdout.Fd()); err == nil {
		width = w
	}
	return cli.Main(ctx, cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Dir: dir, Now: time.Now,
		StdoutTerminal: term.IsTerminal(os.Stdout.Fd()), StderrTerminal: term.IsTerminal(os.Stderr.Fd()), Width: width,
	})
}
