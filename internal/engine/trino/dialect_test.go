package trino_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/trino"
	"kalla/internal/match"
)

func TestIdentIsInjective(t *testing.T) {
	names := []string{"a", "A_", "_", "__", "_x", "_x41_", "_X41_", "_x5f_x41_", "x41_", "é", "É", "_xe9_", "e\u0301", "a b", "a_b", "a-b", `a"b`, "a,b", " a", "a ",
		"kalla_row", "Kalla_Row", "_x6b_alla_row", "日本", "💶", "größe", "GRÖSSE", "a__x", "a_é", "é_", "éx1_", "1"}
	seen := map[string]string{}
	for _, n := range names {
		id := trino.Dialect{}.Ident(n)
		inner := strings.ToLower(strings.Trim(id, `"`))
		if inner == engine.RowColumn {
			t.Errorf("%q is Kalla's own column", n)
		}
		if strings.Trim(inner, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("%q becomes %s", n, id)
		}
		// Letters of ASCII differ by more than their case, or they are the same column.
		if other, ok := seen[inner]; ok && asciiLower(other) != asciiLower(n) {
			t.Errorf("%q and %q are both %s", other, n, inner)
		}
		seen[inner] = n
	}
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// texts are ordinary and nasty ones, of all the scripts that people and banks write.
func texts() []string {
	out := []string{"", " ", "0", "000", "0012300", "a", "A", "abc", "ABC", "martha", "marhta", "dwayne", "duane", "Łódź", "LODZ", "Straße", "STRASSE", "ǅ", "ı", "İ",
		"e\u0301", "é", "Åse Øye", "한국", "日本 株式会社", "Ὀδυσσεύς", "ﬁn", "Æther œuvre", "naïve café", "O'Brien-Smith Ltd.", "INV-2026/00042", "٣٤٥ ref", "Ⅳ ²",
		"a\u00a0b", "\t x \n", "\u2003x\u2003\u2003y", "💶 100", "\u0301", "Ashcraft", "Tymczak", "Pfister", "Honeyman", "acme  acme trading", "trading acme",
		strings.Repeat("ab", 700), strings.Repeat("ba", 700) + "é", "a|b\\c'd%e_f"}
	r := rand.New(rand.NewPCG(1, 2))
	alphabets := []string{"abc", "abcdefghijklmnopqrstuvwxyz  ", "aàáäbßcçdđeéíłnñoöøprsšuüz 0123", "АБВГДабвгд ", "αβγάέή 12"}
	for range 150 {
		alphabet := []rune(alphabets[r.IntN(len(alphabets))])
		var b strings.Builder
		for range r.IntN(24) {
			b.WriteRune(alphabet[r.IntN(len(alphabet))])
		}
		out = append(out, b.String())
	}
	return out
}

// TestFunctions holds the functions of the dialect against DuckDB's, which are
// held against definitions of their own in package duckdb.
func TestFunctions(t *testing.T) {
	duck, cluster := openDuckDB(t), openTrino(t, 0)
	all := texts()
	list := func(d match.Dialect, values []string) string {
		rows := []string{"(-1, CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR))"}
		for i, v := range values {
			rows = append(rows, fmt.Sprintf("(%d, %s, %s)", i, d.Text(v), d.Text(values[(i*7+3)%len(values)])))
		}
		return "(VALUES " + strings.Join(rows, ", ") + ") v(i, a, b)"
	}
	number := func(e string) string { return "coalesce(CAST(" + e + " AS VARCHAR), 'NULL')" }
	text := func(e string) string { return "coalesce(" + e + ", 'NULL')" }
	grams := func(e string) string { return "coalesce(array_join(array_sort(" + e + "), '|'), 'NULL')" }
	exprs := map[string]func(match.Dialect) string{}
	for _, step := range []kalla.Normalize{kalla.Trim, kalla.Upper, kalla.Alnum, kalla.Digits, kalla.StripLeadingZeros, kalla.Unaccent, kalla.CollapseSpaces} {
		exprs[string(step)] = func(d match.Dialect) string { return text(d.Normalize(step, "a")) }
	}
	for _, m := range []kalla.Method{kalla.Levenshtein, kalla.JaroWinkler, kalla.TokenSet} {
		exprs[string(m)] = func(d match.Dialect) string { return number(d.Dissimilarity(m, "a", "b")) }
		exprs[string(m)+" of equal texts"] = func(d match.Dialect) string { return number(d.Dissimilarity(m, "a", "a")) }
	}
	exprs["soundex"] = func(d match.Dialect) string { return text(d.Soundex("a")) }
	exprs["starts with"] = func(d match.Dialect) string { return number(d.StartsWith("a", "substring(b, 1, 1)")) }
	exprs["contains"] = func(d match.Dialect) string { return number(d.Contains("a", "substring(b, 1, 1)")) }
	for _, n := range []int{1, 2, 3} {
		exprs[fmt.Sprint(n, "-grams")] = func(d match.Dialect) string {
			if d.Name() == "duckdb" {
				return "coalesce(array_to_string(list_sort(" + d.Ngrams("a", n) + "), '|'), 'NULL')"
			}
			return grams(d.Ngrams("a", n))
		}
	}
	for name, expr := range exprs {
		want := column(t, duck, "SELECT i, "+expr(duck.Dialect())+" FROM "+list(duck.Dialect(), all))
		got := column(t, cluster, "SELECT i, "+expr(cluster.Dialect())+" FROM "+list(cluster.Dialect(), all))
		for i := range want {
			if want[i] != got[i] {
				t.Errorf("%s of %.60q: DuckDB gives %.60q, Trino %.60q", name, append([]string{"NULL"}, all...)[i], want[i], got[i])
			}
		}
		if len(want) != len(all)+1 {
			t.Errorf("%s: %d values", name, len(want))
		}
	}
}

func TestValues(t *testing.T) {
	duck, cluster := openDuckDB(t), openTrino(t, 0)
	double, stamp, date := kalla.Type{Kind: kalla.Float}, kalla.Type{Kind: kalla.Timestamp}, kalla.Type{Kind: kalla.Date}
	var exprs []func(d match.Dialect) string
	add := func(values []string, t kalla.Type, of func(d match.Dialect, v string) string) {
		for _, v := range values {
			exprs = append(exprs, func(d match.Dialect) string { return of(d, d.Literal(v, t)) })
		}
	}
	asText := func(t kalla.Type) func(match.Dialect, string) string {
		return func(d match.Dialect, v string) string { return d.TextOf(v, t) }
	}
	doubles := []string{"0", "-0.0", "1", "1.5", "0.1", "-2.25", "1e15", "1e16", "123456789012345680", "1e-4", "1e-5", "1.25e-7", "1e300", "-1e-300", "0.30000000000000004", "3.4e38", "100"}
	add(doubles, double, asText(double))
	add([]string{"0.1", "1.5", "-2.25", "123456.789", "1e20", "0.1234567891", "-0.0000000004"}, double, func(d match.Dialect, v string) string {
		return "CAST(" + d.Decimal(v, 28, 9) + " AS VARCHAR)"
	})
	stamps := []string{"2026-01-31 10:00:00", "2026-01-31 10:00:00.5", "2026-01-31 10:00:00.123456", "1960-02-29 23:59:59.999999", "2300-12-31 00:00:10", "1970-01-01 00:00:00", "0001-01-01 00:00:00"}
	add(stamps, stamp, asText(stamp))
	add(stamps, stamp, func(d match.Dialect, v string) string {
		return "CAST(" + d.Microseconds(d.Literal("1999-12-31 23:59:59.999999", stamp), v) + " AS VARCHAR)"
	})
	add(stamps[:6], stamp, func(d match.Dialect, v string) string { return d.TextOf(d.AddSeconds(v, -86401), stamp) }) // not to before Christ
	add([]string{"2026-01-31", "2024-02-29", "1900-03-01", "9999-12-31"}, date, asText(date))
	add([]string{"2026-01-31", "2024-02-29", "1900-03-01"}, date, func(d match.Dialect, v string) string {
		return "CAST(" + d.Days(d.Literal("2026-03-01", date), v) + " AS VARCHAR) || ' ' || " + d.TextOf(d.AddDays(v, 30), date)
	})
	add([]string{"true", "false"}, kalla.Type{Kind: kalla.Boolean}, asText(kalla.Type{Kind: kalla.Boolean}))
	decimal := kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: 2}
	add([]string{"0", "-0.5", "1234567890123456.78"}, decimal, asText(decimal))
	ask := func(s engine.Session) []string {
		var parts []string
		for i, e := range exprs {
			parts = append(parts, fmt.Sprintf("SELECT %d AS i, coalesce(%s, 'NULL') AS v", i, e(s.Dialect())))
		}
		return column(t, s, strings.Join(parts, " UNION ALL "))
	}
	want, got := ask(duck), ask(cluster)
	for i := range exprs {
		if want[i] != got[i] {
			t.Errorf("%s: DuckDB gives %s, Trino %s", exprs[i](cluster.Dialect()), want[i], got[i])
		}
	}
}

// column gives the second column of a query in the order of the first.
func column(t *testing.T, s engine.Session, query string) []string {
	t.Helper()
	rows, err := s.Query(context.Background(), query+" ORDER BY 1")
	if err != nil {
		t.Fatalf("%.300s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var i int64
		var v sql.NullString
		if err := rows.Scan(&i, &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v.String)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
