package trino_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	driver "github.com/duckdb/duckdb-go/v2"
	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/engine/duckdb"
	"kalla/internal/engine/trino"
	"kalla/internal/gate"
	"kalla/internal/testenv"
)

// A table of nasty values, in the types that staging gives.
var nasty = kalla.Schema{
	{Name: "k", Type: kalla.Type{Kind: kalla.Integer}},
	{Name: "Ref No", Type: kalla.Type{Kind: kalla.Text}},
	{Name: "n", Type: kalla.Type{Kind: kalla.Integer}},
	{Name: "amount", Type: kalla.Type{Kind: kalla.DecimalKind, Precision: 18, Scale: 2}},
	{Name: "rate", Type: kalla.Type{Kind: kalla.DecimalKind, Precision: 38, Scale: 9}},
	{Name: "ok", Type: kalla.Type{Kind: kalla.Boolean}},
	{Name: "d", Type: kalla.Type{Kind: kalla.Date}},
	{Name: "ts", Type: kalla.Type{Kind: kalla.Timestamp}},
	{Name: "tz", Type: kalla.Type{Kind: kalla.TimestampTZ}},
	{Name: "memo", Type: kalla.Type{Kind: kalla.Text}},
	{Name: "f", Type: kalla.Type{Kind: kalla.Float}},
}

// Each row is text in the order of the schema, "∅" for NULL.
var nastyRows = [][]string{
	{"1", "INV-001", "1", "100.00", "1.000000000", "true", "2026-01-31", "2026-01-31 10:00:00", "2026-01-31 08:00:00.5", "12", "0.5"},
	{"2", "inv 2/é", "-7", "-0.01", "0.000000001", "false", "2024-02-29", "2024-02-29 23:59:59.999999", "2024-02-29 23:59:59", "2026-01-31", "-2.5"},
	{"3", "", "0", "0.00", "0.000000000", "∅", "1960-01-03", "1960-01-04 00:00:00", "1960-01-04 00:00:00", "", "0"},
	{"4", "∅", "∅", "∅", "∅", "∅", "∅", "∅", "∅", "∅", "∅"},
	{"5", "straße ŁÓDŹ ǅ İı", "9223372036854775806", "9999999999999999.99", "12345678901234567890123456789.123456789", "true", "9999-12-31", "9999-12-31 23:59:59", "9999-12-31 23:59:59", "  +12.50 ", "1000000"},
	{"6", "日本語 ٣ 💶", "-9223372036854775807", "-9999999999999999.99", "-999.999999999", "false", "0001-01-01", "0001-01-01 00:00:00", "0001-01-01 00:00:00", `{"a": 1.50, "b": {"c d": [true, null, "x"]}}`, "3.5"},
	{"7", "a%b_c\\d'e", "42", "2.50", "2.500000000", "true", "2025-12-28", "2025-12-28 12:30:00", "2025-12-28 12:30:00", "true", "1.5"},
	{"8", "\t x\u00a0y \u2003", "10", "0.05", "1.005000000", "false", "2025-12-29", "2025-12-29 00:00:00.000001", "2025-12-29 00:00:00", "x,y", "-0.5"},
	{"9", "e\u0301 ẞß ﬁ", "100", "12.34", "-2.500000000", "true", "2000-10-10", "2000-10-10 10:10:10.1", "2000-10-10 10:10:10", "-7", "2.5"},
}

// engines are the two that are held against each other.
type engines struct {
	duck  *sql.DB
	gate  *gate.Gate
	trino *trino.Session
}

func openEngines(t testing.TB) *engines {
	t.Helper()
	e := &engines{duck: openDuck(t), trino: openCluster(t)}
	e.gate = gate.New(e.duck)
	e.load(t, "t", nasty, nastyRows)
	e.load(t, "u", kalla.Schema{
		{Name: "ccy", Type: kalla.Type{Kind: kalla.Text}}, {Name: "n", Type: kalla.Type{Kind: kalla.Integer}}, {Name: "amount", Type: kalla.Type{Kind: kalla.DecimalKind, Precision: 10, Scale: 3}},
	}, [][]string{{"EUR", "1", "1.000"}, {"USD", "42", "2.500"}, {"USD", "42", "0.001"}, {"∅", "∅", "7.125"}, {"GBP", "10", "∅"}})
	return e
}

// openCluster opens a session without sources: the tests make their tables by statements.
func openCluster(t testing.TB) *trino.Session {
	t.Helper()
	c := testenv.Trino(t, 1)
	id := "write_" + strings.ToLower(rand.Text()[:10])
	storage, _, _ := strings.Cut(c.Storage, "?")
	s, err := trino.Open(t.Context(), trino.Config{URL: c.URL, Client: c.Client, RunID: id, Prefix: storage + "/" + id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openDuck(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	for _, m := range append(duckdb.Macros(), "SET TimeZone = 'UTC'") {
		if _, err := db.ExecContext(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

var schemas = map[string]kalla.Schema{}

// load makes a table in both engines.
func (e *engines) load(t testing.TB, name string, schema kalla.Schema, rows [][]string) {
	t.Helper()
	schemas[name] = schema
	var inDuck, inTrino []string
	for _, row := range rows {
		var a, b []string
		for i, c := range schema {
			if row[i] == "∅" {
				a, b = append(a, "CAST(NULL AS "+duckdb.Dialect{}.TypeName(c.Type)+")"), append(b, "CAST(NULL AS "+trino.Dialect{}.TypeName(c.Type)+")")
				continue
			}
			a, b = append(a, duckdb.Dialect{}.Literal(row[i], c.Type)), append(b, "CAST("+trino.Dialect{}.Text(row[i])+" AS "+trino.Dialect{}.TypeName(c.Type)+")")
		}
		inDuck, inTrino = append(inDuck, "("+strings.Join(a, ", ")+")"), append(inTrino, "("+strings.Join(b, ", ")+")")
	}
	var a, b []string
	for _, c := range schema {
		a, b = append(a, duckdb.Dialect{}.Ident(c.Name)), append(b, trino.Dialect{}.Ident(c.Name))
	}
	if _, err := e.duck.ExecContext(t.Context(), "CREATE TABLE "+name+" AS SELECT * FROM (VALUES "+strings.Join(inDuck, ", ")+") v("+strings.Join(a, ", ")+")"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.trino.Exec(t.Context(), "CREATE TABLE "+name+" AS SELECT * FROM (VALUES "+strings.Join(inTrino, ", ")+") v("+strings.Join(b, ", ")+")"); err != nil {
		t.Fatal(err)
	}
}

// answer is what an engine gives for a query: its rows as text, or an error.
type answer struct {
	rows string
	err  error
}

func read(ctx context.Context, query func(context.Context, string, ...any) (*sql.Rows, error), text string) answer {
	rows, err := query(ctx, text)
	if err != nil {
		return answer{err: err}
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return answer{err: err}
	}
	var b strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return answer{err: err}
		}
		for _, v := range values {
			switch x := v.(type) {
			case nil:
				v = "∅"
			case driver.Decimal:
				v = decimal.NewFromBigInt(x.Value, -int32(x.Scale)).StringFixed(int32(x.Scale))
			}
			fmt.Fprintf(&b, "%v|", v)
		}
		b.WriteString("\n")
	}
	return answer{rows: b.String(), err: rows.Err()}
}

// both runs one SELECT, which the gate lets through, on both engines.
func (e *engines) both(t testing.TB, text string) (duck, onTrino answer, written string) {
	t.Helper()
	ctx := t.Context()
	checked, err := e.gate.Select(ctx, text, gate.Tables{"t": "t", "u": "u"})
	if err != nil {
		t.Fatalf("%s: the gate: %v", text, err)
	}
	duck = read(ctx, e.duck.QueryContext, checked.SQL)
	written, err = trino.WriteSQL(checked, schemas)
	if err != nil {
		return duck, answer{err: err}, ""
	}
	return duck, read(ctx, e.trino.Query, written), written
}

// differ says how two answers differ, "" where they do not.
func differ(duck, onTrino answer) string {
	switch {
	case duck.err != nil && onTrino.err != nil:
		return ""
	case duck.err != nil || onTrino.err != nil:
		return fmt.Sprintf("duckdb: %v\ntrino: %v", duck.err, onTrino.err)
	case duck.rows != onTrino.rows:
		a, b := strings.Split(duck.rows, "\n"), strings.Split(onTrino.rows, "\n")
		var out []string
		for i := range max(len(a), len(b)) {
			x, y := "", ""
			if i < len(a) {
				x = a[i]
			}
			if i < len(b) {
				y = b[i]
			}
			if x != y {
				out = append(out, fmt.Sprintf("duckdb %q, trino %q", x, y))
			}
		}
		return strings.Join(out, "\n")
	}
	return ""
}

// TestExpressions: every function and operator of docs/functions.md gives the
// same text on both engines, over values that engines like to differ in.
func TestExpressions(t *testing.T) {
	e := openEngines(t)
	const together = 12
	for start := 0; start < len(expressions); start += together {
		if os.Getenv("KALLA_CORPUS") != "all" && start/together%2 == 1 {
			continue // every other dozen, as with the corpus
		}
		batch := expressions[start:min(start+together, len(expressions))]
		items := []string{"k"}
		for _, x := range batch {
			items = append(items, "CAST(("+x+") AS varchar)")
		}
		duck, onTrino, _ := e.both(t, "SELECT "+strings.Join(items, ", ")+" FROM t ORDER BY k")
		if duck.err == nil && onTrino.err == nil && differ(duck, onTrino) == "" {
			continue
		}
		for _, x := range batch { // find the one
			duck, onTrino, written := e.both(t, "SELECT k, CAST(("+x+") AS varchar) FROM t ORDER BY k")
			if d := differ(duck, onTrino); d != "" {
				t.Errorf("%s\n%s\n%s", x, d, written)
			} else if duck.err != nil {
				t.Errorf("%s\nfails on both: %v", x, duck.err)
			}
		}
	}
}

// TestQueries: the same for whole queries, and what fails does so on both.
func TestQueries(t *testing.T) {
	e := openEngines(t)
	for _, x := range failing {
		duck, onTrino, written := e.both(t, "SELECT k, CAST(("+x+") AS varchar) FROM t ORDER BY k")
		if duck.err == nil || onTrino.err == nil {
			t.Errorf("%s\nduckdb: %v\ntrino: %v\n%s", x, duck.err, onTrino.err, written)
		}
	}
	for _, q := range queries {
		duck, onTrino, written := e.both(t, q)
		if d := differ(duck, onTrino); d != "" {
			t.Errorf("%s\n%s\n%s", q, d, written)
		} else if duck.err != nil {
			t.Errorf("%s\nfails on both: %v", q, duck.err)
		}
	}
}

// TestRefusals: what cannot be the same is refused, and the message names it.
func TestRefusals(t *testing.T) {
	db := openDuck(t)
	g := gate.New(db)
	for text, want := range refusals {
		checked, err := g.Select(t.Context(), "SELECT "+text+" FROM t", gate.Tables{"t": "t", "u": "u"})
		if err != nil {
			t.Errorf("%s: the gate: %v", text, err)
			continue
		}
		_, err = trino.WriteSQL(checked, map[string]kalla.Schema{"t": nasty, "u": {{Name: "x", Type: kalla.Type{Kind: kalla.Other}}}})
		var known *kalla.Error
		if !errors.As(err, &known) || known.Code != kalla.CodeRecipe || known.Where == "" || !strings.Contains(known.Why, want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestValidate: the cluster says before a run what it cannot plan.
func TestValidate(t *testing.T) {
	e := openEngines(t)
	for text, ok := range map[string]bool{
		"SELECT k FROM t WHERE similarity(memo, 'x') > 0.5":                                true,
		"WITH w AS (SELECT k FROM t) SELECT k FROM w":                                      true,
		"SELECT k, sum(n) FROM t":                                                          false,
		"SELECT (SELECT u.amount FROM u WHERE u.n < t.n ORDER BY u.amount LIMIT 1) FROM t": false,
	} {
		checked, err := e.gate.Select(t.Context(), text, gate.Tables{"t": "t", "u": "u"})
		if err != nil {
			t.Fatal(err)
		}
		sql, err := trino.WriteSQL(checked, schemas)
		if err != nil {
			t.Fatal(err)
		}
		err = e.trino.Validate(t.Context(), checked, sql)
		var known *kalla.Error
		if ok != (err == nil) || !ok && (!errors.As(err, &known) || known.Code != kalla.CodeRecipe) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
