package gate_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kalla/internal/gate"
)

// sqlGrammar draws SQL that is mostly right, with parts in it that read files,
// look at the machine, or give another result every time.
type sqlGrammar struct {
	t       *rapid.T
	file    string
	at      place
	hostile bool // a part that must never pass was drawn
}

func (g *sqlGrammar) pick(label string, options ...string) string {
	return rapid.SampledFrom(options).Draw(g.t, label)
}

func (g *sqlGrammar) expr(depth int) string {
	if depth <= 0 {
		return g.atom()
	}
	e := func() string { return g.expr(depth - 1) }
	switch rapid.IntRange(0, 11).Draw(g.t, "expr") {
	case 0:
		return "(" + e() + g.pick("operator", " + ", " - ", " * ", " % ", " || ") + e() + ")"
	case 1:
		return e() + g.pick("comparison", " = ", " <> ", " < ", " >= ", " IS DISTINCT FROM ", " LIKE ", " AND ", " OR ") + e()
	case 2:
		return "CASE WHEN " + e() + " THEN " + e() + " ELSE " + e() + " END"
	case 3:
		return g.pick("cast", "CAST(", "TRY_CAST(") + e() + " AS " + g.pick("type", "varchar", "decimal(18,2)", "bigint", "date", "timestamp") + ")"
	case 4:
		return g.pick("function", "upper", "lower", "trim", "length", "abs", "normalize_ref", "year", "floor", "trim") + "(" + e() + ")"
	case 5:
		return g.pick("function", "coalesce", "concat", "similarity", "nullif", "greatest", "starts_with") + "(" + e() + ", " + e() + ")"
	case 6:
		call := g.pick("call", "regexp_extract(ARG, '(a)', 1)", "substring(ARG, 2, 3)", "round(ARG, 1)", "convert(ARG, 1.5, 2)", "divide(ARG, 3, 2)",
			"date_trunc('month', ARG)", "lpad(ARG, 3, '0')", "json_value(ARG, '$.a')", "extract(year FROM ARG)", "tolerance_match(ARG, 1, 0.02)")
		return strings.ReplaceAll(call, "ARG", e())
	case 7:
		return e() + g.pick("not", " IN (", " NOT IN (") + e() + ", " + e() + ")"
	case 8:
		return e() + " BETWEEN " + e() + " AND " + e()
	case 9:
		return g.pick("sub-select", "(", "EXISTS (", "1 IN (") + g.query(depth-1) + ")"
	case 10:
		return g.pick("unary", "NOT ", "-", "") + e() + g.pick("null", "", " IS NULL", " IS NOT NULL")
	}
	if g.at == matchSQL {
		return g.pick("window", "row_number()", "rank()", "sum(amount)") + " OVER (PARTITION BY " + e() + " ORDER BY " + e() + ")"
	}
	return e()
}

func (g *sqlGrammar) atom() string {
	if rapid.IntRange(0, 100).Draw(g.t, "hostile") == 0 {
		g.hostile = true
		return g.pick("bad", "random()", "getenv('HOME')", "current_setting('threads')", "now()", "current_timestamp", "uuid()",
			"(SELECT content FROM read_text('FILE'))", "(SELECT max(c) FROM 'FILE')", "nextval('s')", "txid_current()", "current_query()",
			"(SELECT count(*) FROM duckdb_settings())", "(SELECT path FROM duckdb_databases)", "1e3", "[1][1]", "{'a': 1}", "?")
	}
	if rapid.Bool().Draw(g.t, "column") {
		switch g.at {
		case derived:
			return g.pick("column", "amount", "\"currency\"", "invoice_date", "description")
		case predicate:
			return g.pick("column", "l.amount", "r.memo", "l.currency", "r.payment_date", "\"r\".currency")
		}
		return g.pick("column", "l.amount", "currency", "l.currency", "amount", "rate")
	}
	return g.pick("literal", "1", "0.02", "-3", "'a'", "'it''s'", "NULL", "true", "DATE '2026-01-01'", "'\n--'", "12345678901234567890123")
}

func (g *sqlGrammar) query(depth int) string {
	e := func() string { return g.expr(depth - 1) }
	q := "SELECT " + g.pick("distinct", "", "", "DISTINCT ") + e() + " AS " + g.pick("name", "a", "\"b c\"", "amount") + ", " + g.pick("item", "*", "1", "'x'") + " FROM " + g.table(depth)
	if rapid.Bool().Draw(g.t, "where") {
		q += " WHERE " + e()
	}
	switch rapid.IntRange(0, 5).Draw(g.t, "tail") {
	case 0:
		q += " GROUP BY " + e() + ", 2 HAVING " + e()
	case 1:
		q += " ORDER BY 1 DESC NULLS FIRST, " + e() + " LIMIT 2 OFFSET 1"
	case 2:
		q += g.pick("set", " UNION ", " UNION ALL ", " EXCEPT ", " INTERSECT ") + "SELECT 1, 2"
	case 3:
		q = "WITH fx2(a) AS (SELECT ccy FROM fx), w AS (" + q + ") SELECT * FROM w, fx2"
	}
	return q
}

func (g *sqlGrammar) table(depth int) string {
	if depth > 0 && rapid.IntRange(0, 3).Draw(g.t, "from") == 0 {
		return "(" + g.query(depth-1) + ") AS l"
	}
	if rapid.IntRange(0, 40).Draw(g.t, "hostile") == 0 {
		g.hostile = true
		return g.pick("bad", "'FILE'", "\"FILE\"", "read_csv('FILE')", "information_schema.tables", "duckdb_tables()", "main.fx", "glob('*')",
			"fx USING SAMPLE 1", "sqlite_master", "pg_class", "fx ASOF JOIN left_src ON rate >= amount", "(DESCRIBE fx)", "(FROM 'FILE')",
			"(WITH \"FILE\" AS (FROM \"FILE\") FROM \"FILE\")")
	}
	if g.at != matchSQL {
		return g.pick("table", "fx", "fx AS l", "(SELECT * FROM fx) AS x", "fx, (VALUES (1), (2)) AS v(n)")
	}
	return g.pick("table", "left_src AS l", "left_src l, right_src r", "left_src l JOIN right_src r ON l.currency = r.currency",
		"fx", "invoices l LEFT JOIN payments r USING (currency)", "(VALUES (1, 'a'), (2, 'b')) AS l(amount, currency)", "fx CROSS JOIN left_src l")
}

// TestGateOnGeneratedSQL: nothing hostile passes; what passes runs or fails on types, reads no file and changes nothing.
func TestGateOnGeneratedSQL(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(file, []byte("c\n"+canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := openRun(t)
	g := gate.New(db)
	before := contents(t, db)
	passed, drawn := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.SampledFrom([]place{derived, predicate, matchSQL}).Draw(rt, "place")
		grammar := &sqlGrammar{t: rt, file: file, at: at}
		text := ""
		drawn++
		if at == matchSQL {
			text = grammar.query(3)
		} else {
			text = grammar.expr(3)
		}
		text = strings.ReplaceAll(text, "FILE", file)
		c, err := check(g, at, text)
		if err != nil {
			return
		}
		passed++
		if grammar.hostile {
			rt.Fatalf("%s passed as %s", text, c.SQL)
		}
		_ = missing(at, c) // must not panic
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if got := all(ctx, db, runnable(at, c)); strings.Contains(got, canary) {
			rt.Fatalf("%s read a file as %s", text, c.SQL)
		}
	})
	if passed*4 < drawn {
		t.Errorf("%d of %d texts passed: the generator draws too little that is right", passed, drawn)
	}
	if after := contents(t, db); after != before {
		t.Errorf("the tables changed:\n%s\n%s", before, after)
	}
}
