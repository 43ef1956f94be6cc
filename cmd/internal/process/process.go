// Package process gives a command line the world of its process: arguments,
// streams, environment, terminal, and a context that signals end.
package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"

	"kalla/internal/cli"
)

// Run runs a program and returns its exit code.
func Run(program func(context.Context, cli.Env) int) int {
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
	return program(ctx, cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Dir: dir, Now: time.Now, OpenURL: openURL,
		StdoutTerminal: term.IsTerminal(os.Stdout.Fd()), StderrTerminal: term.IsTerminal(os.Stderr.Fd()), Width: width,
	})
}

// openURL has the desktop open a URL. It does not wait for the browser.
func openURL(url string) error {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // so that it is no zombie; what becomes of it is for people to see
	return nil
}
