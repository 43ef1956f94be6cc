package app_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/recipe"
)

// The keys overlap on purpose: read in the wrong order, the pair would be of other records, and nobody would notice.
func TestMatchSQLFindsKeysByName(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"invoices.csv": "invoice_id,next,amount\n1,2,10.00\n2,1,20.00\n",
		"payments.csv": "payment_id,reference,amount\n2,1,10.00\n1,7,20.00\n",
		"clash.csv":    "payment_id,reference,invoice_id\n2,1,2\n1,7,1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look, err := app.OpenEngine(t.Context(), engine.Limits{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	const from = " FROM left_src l JOIN right_src r ON l.invoice_id = r.reference"
	for i, c := range []struct{ query, right, fault string }{ // right is payments.csv where nothing is said
		{query: "SELECT l.invoice_id, r.payment_id" + from},
		{query: "SELECT r.payment_id, l.invoice_id" + from},
		{query: "SELECT l.next, r.payment_id, l.invoice_id" + from},
		{query: "SELECT l.invoice_id AS a, r.payment_id AS b" + from},
		{query: "SELECT l.*, r.*" + from},
		{query: "SELECT r.*, l.*" + from},
		{query: "SELECT l.invoice_id, r.payment_id" + from, right: "clash.csv"},
		{query: "SELECT r.*, l.*" + from, right: "clash.csv", fault: "invoice_id is not that of one side alone"},
	} {
		if c.right == "" {
			c.right = "payments.csv"
		}
		doc, err := recipe.Parse([]byte(`
kalla: 1
recipe_id: by-name
sources:
  left: {alias: invoices, uri: invoices.csv, primary_key: [invoice_id]}
  right: {alias: payments, uri: `+c.right+`, primary_key: [payment_id]}
match_sql: `+c.query), "recipe.yaml")
		if err != nil {
			t.Fatal(err)
		}
		bound, err := doc.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, strconv.Itoa(i))
		_, err = app.Run(t.Context(), app.Job{Recipe: bound, Document: doc, RunID: "r", Out: out, Evidence: "keys", BaseDir: dir, Limits: engine.Limits{Threads: 1}, LookupEnv: os.LookupEnv})
		switch {
		case c.fault != "":
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: got %v, want a fault that says %q", c.query, err, c.fault)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		var pairs string
		matched := "SELECT string_agg(left_invoice_id || '-' || right_payment_id, ' ') FROM read_parquet('" + filepath.Join(out, "matched.parquet") + "')"
		if err := engine.QueryRow(t.Context(), look, matched, &pairs); err != nil {
			t.Fatal(err)
		}
		if pairs != "1-2" {
			t.Errorf("%s: matched %s, want invoice 1 with payment 2 alone", c.query, pairs)
		}
	}
}
