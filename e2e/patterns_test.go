package e2e_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/demo"
	"kalla/internal/recipe"
	"kalla/internal/testenv"
)

// TestPatternsEqualPostgres reconciles ten thousand invoices with single, part,
// batch and cross payments, from files and from PostgreSQL, and wants the pairs
// that plain SQL finds in PostgreSQL, key by key.
func TestPatternsEqualPostgres(t *testing.T) {
	dir := t.TempDir()
	mix := demo.Mix{
		demo.Tolerance: 1500, demo.Split: 1000, demo.Batch: 1500, demo.Cross: 1500, demo.AmountDiffers: 500,
		demo.DateOutside: 300, demo.OrphanLeft: 700, demo.OrphanRight: 700,
	}
	if _, err := demo.Generate(t.Context(), demo.Config{Seed: 7, Rows: 10_000, Mix: mix}, dir); err != nil {
		t.Fatal(err)
	}
	pg := testenv.Postgres(t)
	database := pg.Database(t,
		`CREATE TABLE invoices (invoice_id text, settlement_ref text, customer_id text, customer_name text, invoice_date date, due_date date,
 amount numeric(18,2), currency text, status text, description text)`,
		`CREATE TABLE payments (payment_id text, reference_number text, payer_id text, payer_name text, payment_date date,
 paid_amount numeric(18,2), currency text, method text, bank text, memo text)`)
	loadCSV(t, database, "invoices", filepath.Join(dir, demo.InvoicesFile))
	loadCSV(t, database, "payments", filepath.Join(dir, demo.PaymentsFile))
	want := pairsOf(t, pg.Open(t, database))

	data, err := os.ReadFile(filepath.Join(dir, demo.RecipeFile))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := recipe.Parse(data, demo.RecipeFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []struct{ name, left, right string }{
		{name: "files"},
		{"postgres", withQuery(t, database, "table", "public.invoices"), withQuery(t, database, "table", "public.payments")},
	} {
		t.Run(from.name, func(t *testing.T) {
			r, err := doc.Bind(nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Match = r.Match[:4] // the fifth, by similar names, has no equal in plain SQL
			if from.left != "" {
				r.Sources.Left.URI, r.Sources.Right.URI = from.left, from.right
			}
			got := replay(t, app.Job{Recipe: r, BaseDir: dir, Out: filepath.Join(t.TempDir(), "evidence")})
			var pairs [][3]string
			matched := map[kalla.Side]map[string]bool{kalla.Left: {}, kalla.Right: {}}
			for _, m := range got.matches {
				pairs = append(pairs, [3]string{m.Pass, m.Left, m.Right})
				matched[kalla.Left][m.Left], matched[kalla.Right][m.Right] = true, true
			}
			diff(t, "pairs", want, pairs)
			for _, s := range sides {
				for _, u := range got.unmatched[s] {
					if matched[s][u.Key] {
						t.Errorf("%s %s is matched and unmatched", s, u.Key)
					}
				}
			}
		})
	}
}

// loadCSV fills a table from a CSV file with a header.
func loadCSV(t *testing.T, database, table, file string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := conn.PgConn().CopyFrom(context.Background(), f, "COPY "+table+" FROM STDIN WITH (FORMAT csv, HEADER)"); err != nil {
		t.Fatal(err)
	}
}

func pairsOf(t *testing.T, db *sql.DB) [][3]string {
	t.Helper()
	query, err := os.ReadFile("testdata/patterns.sql")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(string(query))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out [][3]string
	passes := map[string]int{}
	for rows.Next() {
		var p [3]string
		if err := rows.Scan(&p[0], &p[1], &p[2]); err != nil {
			t.Fatal(err)
		}
		passes[p[0]]++
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(passes) != 4 {
		t.Fatalf("PostgreSQL found pairs in %d passes: %v", len(passes), passes)
	}
	return out
}
