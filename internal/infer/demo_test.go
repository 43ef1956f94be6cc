package infer_test

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"kalla/internal/demo"
)

// TestDemo: the drafted recipe, as it is, finds the truth of generated data.
func TestDemo(t *testing.T) {
	for _, c := range []struct {
		name   string
		config demo.Config
		drop   map[string][]string // columns that are taken out of a file
		least  float64
	}{
		{"every pattern", demo.Config{Seed: 7, Rows: 10_000}, nil, 0.99},
		{"another seed, fewer", demo.Config{Seed: 8, Rows: 2_000}, nil, 0.99},
		{"one pass", demo.Config{Seed: 9, Rows: 3_000, Workload: demo.OnePass}, nil, 0.99},
		{"accounts, names, amounts and dates only", demo.Config{Seed: 10, Rows: 4_000, Mix: demo.Mix{demo.NoReference: 9_000, demo.OrphanLeft: 500, demo.OrphanRight: 500}},
			map[string][]string{demo.InvoicesFile: {"settlement_ref", "description"}, demo.PaymentsFile: {"reference_number", "memo"}}, 0.95},
		{"names, amounts and dates only", demo.Config{Seed: 11, Rows: 4_000, Mix: demo.Mix{demo.NoReference: 9_000, demo.OrphanLeft: 500, demo.OrphanRight: 500}},
			map[string][]string{demo.InvoicesFile: {"settlement_ref", "description", "customer_id"}, demo.PaymentsFile: {"reference_number", "memo", "payer_id"}}, 0.95},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := demo.Generate(context.Background(), c.config, dir); err != nil {
				t.Fatal(err)
			}
			for file, columns := range c.drop {
				rows := readCSV(t, filepath.Join(dir, file))
				out := &table{comma: ','}
				for _, r := range rows {
					var kept []string
					for i, cell := range r {
						if !slices.Contains(columns, rows[0][i]) {
							kept = append(kept, cell)
						}
					}
					out.rows = append(out.rows, kept)
				}
				out.write(t, filepath.Join(dir, file))
			}
			var want []string
			for _, r := range readCSV(t, filepath.Join(dir, demo.TruthFile))[1:] {
				if r[0] != "" && r[1] != "" {
					want = append(want, r[0]+"="+r[1])
				}
			}
			p, r := draft(t, dir, demo.InvoicesFile, demo.PaymentsFile)
			got, summary := run(t, r, dir)
			if f := score(got, want); f < c.least {
				t.Errorf("F1 is %.4f, at least %.2f wanted: %d pairs found, %d true", f, c.least, len(got), len(want))
			} else {
				t.Logf("F1 %.4f", f)
			}
			same(t, p, summary)
		})
	}
}

// TestSameEveryTime: the same sources give the same draft.
func TestSameEveryTime(t *testing.T) {
	dir := t.TempDir()
	if _, err := demo.Generate(context.Background(), demo.Config{Seed: 3, Rows: 3_000}, dir); err != nil {
		t.Fatal(err)
	}
	first, err := propose(context.Background(), t, dir, demo.InvoicesFile, demo.PaymentsFile)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, err := propose(context.Background(), t, dir, demo.InvoicesFile, demo.PaymentsFile)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(first, again) {
			t.Errorf("two drafts differ:\n%+v\n%+v", first, again)
		}
	}
}
