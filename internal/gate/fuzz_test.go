package gate_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla/internal/gate"
)

const canary = "canary-1f0c2d77"

// FuzzGate executes what the gate lets through in a DuckDB that could read
// files: whatever passes must neither see the canary file nor change anything.
func FuzzGate(f *testing.F) {
	folder := f.TempDir()
	file := filepath.Join(folder, "x.csv")
	if err := os.WriteFile(file, []byte("c\n"+canary+"\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"amount * (SELECT rate FROM fx WHERE fx.ccy = currency)",
		"l.currency = r.currency AND tolerance_match(l.amount, r.paid_amount, 0.02)",
		"SELECT invoice_id, payment_id FROM left_src JOIN right_src USING (currency) ORDER BY 1, 2 LIMIT 3",
		"WITH a(x) AS (SELECT amount FROM invoices) SELECT sum(x) OVER (ORDER BY x) FROM a UNION ALL SELECT 1",
		"SELECT * FROM 'FILE'", "SELECT * FROM \"FILE\"", "(SELECT c FROM 'FILE')", "SELECT * FROM read_csv('FILE')",
		"WITH \"FILE\" AS (SELECT * FROM \"FILE\") SELECT * FROM \"FILE\"", "read_text('FILE')",
		"SELECT * FROM (VALUES (1, 'a')) AS v(a, b), LATERAL (SELECT a + 1) AS w", "1; DROP TABLE fx", "1 /* */ -- x",
		"CASE WHEN l.amount IS NULL THEN r.memo LIKE '%x' ELSE EXISTS (SELECT 1 FROM fx) END",
		"concat(regexp_extract(description, '(?i)inv', 0), json_value(description, '$.a[0].b'), extract(year from invoice_date))",
		"SELECT DISTINCT currency, count(DISTINCT amount) FILTER (WHERE amount > 1) FROM left_src GROUP BY 1 HAVING max(amount) > 0",
	} {
		f.Add(strings.ReplaceAll(seed, "FILE", file))
	}
	db := openRun(f)
	g := gate.New(db)
	before := contents(f, db)
	f.Fuzz(func(t *testing.T, text string) {
		for _, at := range []place{derived, predicate, matchSQL} {
			c, err := check(g, at, text)
			if err != nil {
				continue
			}
			_ = missing(at, c) // must not panic
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			got := all(ctx, db, runnable(at, c))
			cancel()
			if strings.Contains(got, canary) && !strings.Contains(text, canary) {
				t.Fatalf("%q read a file as %s", text, c.SQL)
			}
			if after := contents(t, db); after != before {
				t.Fatalf("%q as %s changed the tables:\n%s\n%s", text, c.SQL, before, after)
			}
		}
		if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
			t.Fatalf("%q wrote a file: %v, %v", text, entries, err)
		}
	})
}

// all returns the rows of a query as text; errors are none of the gate's business.
func all(ctx context.Context, db *sql.DB, query string) string {
	var out sql.NullString
	_ = db.QueryRowContext(ctx, "SELECT string_agg(CAST(q AS VARCHAR), ' ') FROM (SELECT * FROM ("+query+") LIMIT 1000) AS q").Scan(&out)
	return out.String
}

func contents(t testing.TB, db *sql.DB) string {
	t.Helper()
	var out string
	err := db.QueryRow(`SELECT (SELECT string_agg(CAST(f AS VARCHAR), ' ') FROM fx AS f) || (SELECT string_agg(CAST(l AS VARCHAR), ' ') FROM left_src AS l) ||
		(SELECT string_agg(CAST(r AS VARCHAR), ' ') FROM right_src AS r) || (SELECT string_agg(name || CAST(value AS VARCHAR), ' ' ORDER BY name) FROM duckdb_settings() WHERE value IS NOT NULL) ||
		(SELECT string_agg(table_name, ' ') FROM duckdb_tables()) || (SELECT count(*) FROM duckdb_databases())`).Scan(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
