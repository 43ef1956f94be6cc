package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/demo"
)

const demoSeed = 1

func (c *command) demoCommand() *cobra.Command {
	var rows int64
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Write a realistic data set and its recipe, reconcile it, print the result",
		Long: `Writes invoices, payments, the recipe that reconciles them, and the true answer, then runs the
recipe. The data holds what real data holds: part payments, batches, differences of a cent, duplicates,
mistyped references, wrong currencies, orphans.`,
		Example: `  kalla demo
  kalla demo --rows 1000000 --dir /tmp/big`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.demo(cmd.Context(), rows, dir)
		},
	}
	cmd.Flags().Int64Var(&rows, "rows", 10_000, "number of invoices; there are about as many payments")
	cmd.Flags().StringVar(&dir, "dir", "kalla-demo", "folder to write to")
	takes(cmd, "rows", "N")
	takes(cmd, "dir", "DIR")
	return cmd
}

func (c *command) demo(ctx context.Context, rows int64, dir string) error {
	const most = 1_000_000_000
	if rows < 1 || rows > most {
		return usage("--rows", fmt.Sprintf("%d is not between 1 and %s", rows, number(most)), "")
	}
	folder := c.path(dir)
	if err := refuseForeignFolder(folder, dir); err != nil {
		return err
	}
	truth, err := demo.Generate(ctx, demo.Config{Seed: demoSeed, Rows: rows}, folder)
	if err != nil {
		return err
	}
	recipePath := filepath.Join(folder, demo.RecipeFile)
	shown := c.shorten(recipePath)

	w := &stickyWriter{w: c.env.Stdout}
	p := c.palette(c.env.StdoutTerminal)
	g := newGrid(toLeft, toRight, toLeft)
	for _, f := range []struct {
		file string
		rows int64
		what string
	}{
		{demo.InvoicesFile, truth.Left.Total, "invoices"}, {demo.PaymentsFile, truth.Right.Total, "payments"},
	} {
		g.row(c.shorten(filepath.Join(folder, f.file)), number(f.rows), f.what)
	}
	g.row(shown, "", "the rules")
	g.row(c.shorten(filepath.Join(folder, demo.TruthFile)), "", "the true answer, to compare with")
	fmt.Fprintln(w, "wrote")
	g.write(w)
	fmt.Fprintf(w, "\n%s kalla run %s\n\n", p.dim("$"), shellQuote(shown))

	doc, err := c.loadRecipe(recipePath)
	if err != nil {
		return err
	}
	r, err := doc.Bind(nil)
	if err != nil {
		return err
	}
	summary, err := c.reconcile(ctx, doc, r, folder, "", false)
	if err != nil {
		return err
	}
	if err := c.printSummary(summary, "table"); err != nil {
		return err
	}
	fmt.Fprintln(w)
	writeTruth(w, p, truth, summary)
	g = newGrid(toLeft, toLeft)
	g.row("kalla recipe explain "+shellQuote(shown), p.dim("the rules in words"))
	g.row("kalla run "+shellQuote(shown)+" --param tolerance=0.05", p.dim("another tolerance"))
	g.write(w)
	return w.failure()
}

// refuseForeignFolder keeps the demo from overwriting files that it did not write.
func refuseForeignFolder(folder, shown string) error {
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) == 0 {
		return nil // Generate creates it, or says why it cannot
	}
	if _, err := os.Stat(filepath.Join(folder, demo.TruthFile)); err == nil {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeUsage, Op: "writing data set", Where: shown,
		Why: "the folder holds files that are not of a demo", Hint: "choose another one with --dir"}
}

// writeTruth compares the result with what the generator put in.
func writeTruth(w io.Writer, p palette, truth demo.Truth, s *kalla.Summary) {
	g := newGrid(toLeft, toRight, toRight, toLeft)
	g.row("", p.dim("true"), p.dim("found"), "")
	for _, line := range []struct {
		what        string
		want, found int64
	}{
		{"matches", truth.Matches, s.Matches},
		{"invoices matched", truth.Left.Matched, s.Left.Matched},
		{"payments matched", truth.Right.Matched, s.Right.Matched},
	} {
		mark := p.good("✓")
		if line.want != line.found {
			mark = p.warn("≠")
		}
		g.row(line.what, number(line.want), number(line.found), mark)
	}
	g.write(w)
	fmt.Fprintln(w)
}
