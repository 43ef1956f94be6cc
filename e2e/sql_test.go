package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"kalla"
	"kalla/internal/testenv"
)

// TestExpectedBySQL derives the pairs of the cases whose recipes hold SQL with
// plain SQL on PostgreSQL, and holds the expected files against them.
func TestExpectedBySQL(t *testing.T) {
	n := 0
	for _, c := range corpus(t) {
		query, err := os.ReadFile(filepath.Join(c.dir, "expected.sql"))
		if os.IsNotExist(err) {
			if c.Oracle != nil && !*c.Oracle && c.name != "derive-functions" {
				t.Errorf("%s has neither the oracle nor expected.sql behind it", c.name)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			setup := statements("lefts", c.table(t, kalla.Left), quoteIdent, sqlType)
			setup = append(setup, statements("rights", c.table(t, kalla.Right), quoteIdent, sqlType)...)
			for alias, types := range c.Extras {
				extra := readTable(t, filepath.Join(c.dir, alias+".csv"), types, nil, "", "")
				setup = append(setup, statements(alias, extra, quoteIdent, sqlType)...)
			}
			pg := testenv.Postgres(t)
			rows, err := pg.Open(t, pg.Database(t, setup...)).Query(string(query))
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			matched := map[kalla.Side]map[string]bool{kalla.Left: {}, kalla.Right: {}}
			var got [][2]string
			for rows.Next() {
				var p [2]string
				if err := rows.Scan(&p[0], &p[1]); err != nil {
					t.Fatal(err)
				}
				got = append(got, p)
				matched[kalla.Left][p[0]], matched[kalla.Right][p[1]] = true, true
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			want := c.expected(t)
			var pairs [][2]string
			for _, m := range want.matches {
				pairs = append(pairs, [2]string{m.Left, m.Right})
			}
			diff(t, "pairs", got, pairs)
			for _, s := range sides {
				for _, u := range want.unmatched[s] {
					if matched[s][u.Key] {
						t.Errorf("%s %s is expected unmatched, and PostgreSQL matches it", s, u.Key)
					}
				}
				if total := len(matched[s]) + len(want.unmatched[s]); total != len(c.table(t, s).Rows) {
					t.Errorf("%s: %d matched and %d unmatched records of %d", s, len(matched[s]), len(want.unmatched[s]), len(c.table(t, s).Rows))
				}
			}
		})
	}
	if n < 5 {
		t.Errorf("only %d cases have expected.sql", n)
	}
}
