// Command bench measures Kalla side by side with the plain DuckDB script that
// a competent engineer would write, on data whose true answer is known. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] { // what bench runs in processes of their own, to measure them and to stay small itself
		case "plain":
			return plain(ctx, args[1:], stdout)
		case "check":
			return check(ctx, args[1:])
		}
	}
	b := bench{log: stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&b.pairs, "pairs", 5, "measured runs of each contender, after one that warms up and is checked (four on a cluster)")
	flags.StringVar(&b.kalla, "kalla", filepath.Join("bin", "kalla"), "the program to measure")
	flags.StringVar(&b.dir, "data", filepath.Join("bench", "data"), "folder of the generated data and of the results")
	flags.StringVar(&b.databaseURL, "postgres", os.Getenv("KALLA_BENCH_DATABASE_URL"), "database for pg1m (default $KALLA_BENCH_DATABASE_URL)")
	results := flags.String("json", "", "file to write the results to as JSON")
	list := flags.Bool("list", false, "list the workloads")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: go run ./bench [flags] WORKLOAD…\n\nworkloads:")
		listWorkloads(stderr)
		fmt.Fprintln(stderr, "\nflags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *list {
		listWorkloads(stdout)
		return nil
	}
	if flags.NArg() == 0 || b.pairs < 1 {
		flags.Usage()
		return flag.ErrHelp
	}
	var chosen []workload
	for _, name := range flags.Args() {
		w, ok := find(name)
		if !ok {
			return fmt.Errorf("there is no workload %q; -list names them", name)
		}
		chosen = append(chosen, w)
	}
	if err := b.prepare(); err != nil {
		return err
	}

	report := report{Machine: describeMachine()}
	for _, w := range chosen {
		r, err := b.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		report.Workloads = append(report.Workloads, r)
		r.print(stdout)
	}
	if *results == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(*results, append(text, '\n'), 0o644)
}

// bench holds what all workloads share.
type bench struct {
	pairs       int
	kalla, dir  string
	databaseURL string
	self        string // this program
	log         io.Writer
	scheduler   *scheduler // of the workload, if it has jobs
}

// prepare makes paths absolute, because Kalla runs in a folder of its own.
func (b *bench) prepare() error {
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if b.kalla, err = filepath.Abs(b.kalla); err != nil {
		return err
	}
	if _, err := os.Stat(b.kalla); err != nil {
		return fmt.Errorf("%s is not there: build it with make build, or name another with -kalla", b.kalla)
	}
	return nil
}

func (b *bench) logf(format string, args ...any) {
	fmt.Fprintf(b.log, strings.TrimSuffix(format, "\n")+"\n", args...)
}
