// Package demo generates seeded data sets of invoices and payments whose true
// answer is known: the data of `kalla demo`, of the benchmarks and of tests.
//
// A data set is a function of its Config alone. Every record is computed from
// its position, so files of any size stream out in constant memory, and the
// order of the payments has nothing to do with that of the invoices.
// Amounts are integers of cents throughout.
package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"kalla"
)

// The files of a data set.
const (
	InvoicesFile = "invoices.csv"
	PaymentsFile = "payments.csv"
	RecipeFile   = "recipe.yaml"
	TruthFile    = "truth.csv"
)

// Workload is a kind of data set; it decides the recipe that goes with it.
type Workload string

// The workloads.
const (
	Reconciliation Workload = ""         // every pattern, a recipe of five passes
	OnePass        Workload = "one_pass" // only what one pass on reference, amount and date can tell apart
	Copies         Workload = "copies"   // many equal keys on both sides
)

// Pattern is a way in which records of the two sides belong together, or fail to.
type Pattern string

// The patterns.
const (
	Exact           Pattern = "exact"            // same reference, same amount
	Tolerance       Pattern = "tolerance"        // same reference, one or two cents apart
	Split           Pattern = "split"            // one invoice, two to four part payments
	Batch           Pattern = "batch"            // two to five invoices, one payment under their batch reference
	Cross           Pattern = "cross"            // several invoices and several payments of one settlement
	Duplicate       Pattern = "duplicate"        // paid twice, invoiced twice, or two invoices and three payments all alike
	Typo            Pattern = "typo"             // reference mistyped; payer and amount agree, the name nearly
	NoReference     Pattern = "no_reference"     // reference missing; payer and amount agree, the name nearly
	CurrencyDiffers Pattern = "currency_differs" // a match with a break
	AmountDiffers   Pattern = "amount_differs"   // same reference, amount off by far more than the tolerance: no match
	DateOutside     Pattern = "date_outside"     // same reference and amount, paid too early or too late: no match
	OrphanLeft      Pattern = "orphan_left"      // an invoice that nobody paid
	OrphanRight     Pattern = "orphan_right"     // a payment for nothing
	Copy            Pattern = "copy"             // the pattern of workload Copies
)

// Mix is the share of each pattern in parts per ten thousand invoices (for
// OrphanRight: payments per ten thousand invoices). What the shares leave is Exact.
type Mix map[Pattern]int

// Config says what to generate.
type Config struct {
	Seed     uint64
	Rows     int64 // invoices; at least 1
	Workload Workload
	Mix      Mix // nil means the mix of the workload; not for Copies

	// CopiesPerKey is how many invoices and how many payments share a
	// reference, SpreadCents how far apart their amounts may be (0: equal).
	// For workload Copies only; Rows must be a multiple of CopiesPerKey.
	CopiesPerKey int64
	SpreadCents  int64
}

// Truth is what reconciling the data set with its recipe must come to. The
// file TruthFile holds it record by record: left_key, right_key, pattern, one
// line for each pair of matched.parquet and one, with the other key empty, for
// each record that stays unmatched.
type Truth struct {
	Left, Right SideTruth
	Matches     int64 // groups of records that belong together
	Pairs       int64 // lines of the truth with both keys
	Breaks      int64 // matched pairs whose currencies differ
	Patterns    map[Pattern]PatternTruth
}

// SideTruth counts the records of one side and adds up their amounts.
type SideTruth struct {
	Total, Matched           int64
	TotalAmount, MatchAmount kalla.Decimal
}

// PatternTruth counts what one pattern contributed.
type PatternTruth struct {
	Left, Right, Matches, Pairs int64
}

// Generate writes InvoicesFile, PaymentsFile, RecipeFile and TruthFile to dir,
// which it creates, and returns the true answer. The same configuration gives
// the same bytes on every machine. When it fails, it leaves none of the files.
func Generate(ctx context.Context, cfg Config, dir string) (Truth, error) {
	w, err := newWorld(cfg)
	if err != nil {
		return Truth{}, err
	}
	recipe, err := cfg.recipe()
	if err != nil {
		return Truth{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Truth{}, failure(dir, err)
	}

	var truth Truth
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.writeInvoices(ctx, filepath.Join(dir, InvoicesFile)) })
	g.Go(func() error { return w.writePayments(ctx, filepath.Join(dir, PaymentsFile)) })
	g.Go(func() (err error) {
		truth, err = w.writeTruth(ctx, filepath.Join(dir, TruthFile))
		return err
	})
	g.Go(func() error { return os.WriteFile(filepath.Join(dir, RecipeFile), []byte(recipe), 0o644) })
	if err := g.Wait(); err != nil {
		for _, f := range []string{InvoicesFile, PaymentsFile, TruthFile, RecipeFile} {
			err = errors.Join(err, removeIfThere(filepath.Join(dir, f)))
		}
		return Truth{}, failure(dir, err)
	}
	return truth, nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func failure(dir string, err error) error {
	code, hint := kalla.CodeUsage, "choose a folder that can be written and has room"
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		code, hint = kalla.CodeCanceled, ""
	}
	return &kalla.Error{Code: code, Op: "writing data set", Where: dir, Hint: hint, Err: err}
}
