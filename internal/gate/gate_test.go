package gate_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/gate"
)

// schemas of the tables that the tests of the gate run over.
var (
	invoices = kalla.Schema{{Name: "invoice_id"}, {Name: "amount"}, {Name: "currency"}, {Name: "invoice_date"}, {Name: "description"}}
	payments = kalla.Schema{{Name: "payment_id"}, {Name: "paid_amount"}, {Name: "currency"}, {Name: "payment_date"}, {Name: "memo"}}
	rates    = kalla.Schema{{Name: "ccy"}, {Name: "rate"}}
)

var runTables = gate.Tables{"left_src": "left_src", "right_src": "right_src", "invoices": "left_src", "payments": "right_src", "fx": "fx"}

var extraTables = gate.Tables{"fx": "fx"}

func openRun(t testing.TB) *sql.DB {
	db := openPlain(t)
	for _, q := range []string{
		`CREATE TABLE left_src AS SELECT * FROM (VALUES
			('INV-1', 100.00::DECIMAL(18,2), 'EUR', DATE '2026-01-01', 'ref {"x": 1}'),
			('INV-2', 7.25, 'USD', DATE '2026-01-02', NULL)) AS v(invoice_id, amount, currency, invoice_date, description)`,
		`CREATE TABLE right_src AS SELECT * FROM (VALUES
			('P1', 100.02::DECIMAL(18,2), 'EUR', DATE '2026-01-03', 'INV-1'),
			('P2', 7.25, 'USD', DATE '2026-01-04', 'inv-2 part')) AS v(payment_id, paid_amount, currency, payment_date, memo)`,
		`CREATE TABLE fx AS SELECT * FROM (VALUES ('EUR', 1.0::DECIMAL(18,6)), ('USD', 0.92)) AS v(ccy, rate)`,
	} {
		mustExec(t, db, q)
	}
	return db
}

// place is where a text stands in a recipe.
type place string

const (
	derived   place = "derive"
	predicate place = "sql"
	matchSQL  place = "match_sql"
)

func check(g *gate.Gate, at place, text string) (*gate.Checked, error) {
	ctx := context.Background()
	switch at {
	case derived:
		return g.Expression(ctx, text, extraTables)
	case predicate:
		return g.Predicate(ctx, text, extraTables)
	}
	return g.Select(ctx, text, runTables)
}

func missing(at place, c *gate.Checked) kalla.Faults {
	switch at {
	case derived:
		return c.Missing(map[string]kalla.Schema{"": invoices, "fx": rates})
	case predicate:
		return c.Missing(map[string]kalla.Schema{"l": invoices, "r": payments, "fx": rates})
	}
	return c.Missing(map[string]kalla.Schema{"left_src": invoices, "invoices": invoices, "right_src": payments, "payments": payments, "fx": rates})
}

// runnable is the query in which a checked text is executed.
func runnable(at place, c *gate.Checked) string {
	switch at {
	case derived:
		return "SELECT (" + c.SQL + ") FROM left_src"
	case predicate:
		return "SELECT count(*) FROM left_src AS l, right_src AS r WHERE (" + c.SQL + ")"
	}
	return c.SQL
}

func TestGateAllows(t *testing.T) {
	db := openRun(t)
	g := gate.New(db)
	for _, tc := range []struct {
		at   place
		text string
		want string // the first row's first value, as text; "" is not looked at
	}{
		{derived, "amount", "100.00"},
		{derived, "-amount + 0.02", "-99.98"},
		{derived, "amount * 1.1", "110.000"},
		{derived, "(amount + 12345678901234.00) * 1.123456", "13869827035777.09030400"},
		{derived, "substring(invoice_id, length(currency) * 1 + 2)", "1"},
		{derived, "amount -- a comment", "100.00"},
		{derived, "amount /* another */;", "100.00"},
		{derived, "convert(amount, (SELECT rate FROM fx WHERE fx.ccy = currency), 2)", "100.00"},
		{derived, "divide(amount, 3, 4)", "33.3333"},
		{derived, "round(amount, 1)", "100.0"},
		{derived, "abs(amount) % 7", "2.00"},
		{derived, "CASE WHEN amount > 50 THEN 'big' ELSE 'small' END", "big"},
		{derived, "CASE currency WHEN 'EUR' THEN 1 END", "1"},
		{derived, "CAST(amount AS decimal(18,4))", "100.0000"},
		{derived, "amount::varchar || ' ' || currency", "100.00 EUR"},
		{derived, "concat(invoice_id, amount, NULL)", "∅"},
		{derived, "concat(invoice_id, '/', amount)", "INV-1/100.00"},
		{derived, "try_cast(description AS integer)", "∅"},
		{derived, "regexp_extract(invoice_id, 'INV-([0-9]+)', 1)", "1"},
		{derived, "regexp_extract(invoice_id, 'X-([0-9]+)', 1)", "∅"},
		{derived, "regexp_replace(invoice_id, '[^0-9]', '')", "1"},
		{derived, "json_value(substring(description, 5), '$.x')", "1"},
		{derived, "upper(trim(lower(invoice_id)))", "INV-1"},
		{derived, "lpad(regexp_extract(invoice_id, '[0-9]+'), 5, '0')", "00001"},
		{derived, "substring(invoice_id from 1 for 3)", "INV"},
		{derived, "substr(invoice_id, 5)", "1"},
		{derived, "split_part(invoice_id, '-', 2)", "1"},
		{derived, "coalesce(description, 'none')", ""},
		{derived, "nullif(currency, 'EUR')", "∅"},
		{derived, "normalize_ref(invoice_id)", "INV1"},
		{derived, "similarity(invoice_id, 'INV-2')", "0.800000"},
		{derived, "tolerance_match(amount, 100.02, 0.02)", "true"},
		{derived, "date_diff('day', DATE '2025-12-31', invoice_date)", "1"},
		{derived, "cast(date_trunc('month', invoice_date) as date)", "2026-01-01"},
		{derived, "cast(date_add('day', 30, invoice_date) AS date)", "2026-01-31"},
		{derived, "extract(year from invoice_date) * 100 + month(invoice_date)", "202601"},
		{derived, "greatest(amount, 200) - least(amount, 1)", "199.00"},
		{derived, "invoice_id IN ('INV-1', 'x') AND amount NOT IN (1, 2)", "true"},
		{derived, "amount BETWEEN 1 AND 100 OR description IS NULL", "true"},
		{derived, "invoice_id LIKE 'INV%' AND invoice_id NOT LIKE '%9'", "true"},
		{derived, "currency IN (SELECT ccy FROM fx)", "true"},
		{derived, "EXISTS (SELECT 1 FROM fx WHERE fx.ccy = currency)", "true"},
		{derived, "(SELECT count(*) FROM fx)", "2"},
		{derived, "(SELECT sum(rate) FILTER (WHERE ccy <> 'EUR') FROM fx)", "0.920000"},
		{derived, "(SELECT x.rate FROM fx AS x WHERE x.ccy = 'USD' ORDER BY x.rate LIMIT 1)", "0.920000"},
		{derived, "\"amount\" * 2", "200.00"},
		{derived, "true AND NOT false", "true"},

		{predicate, "l.invoice_id = r.memo", "1"},
		{predicate, "l.currency = r.currency AND tolerance_match(l.amount, r.paid_amount, 0.02)", "2"},
		{predicate, "normalize_ref(l.invoice_id) = upper(regexp_extract(r.memo, '(?i)inv-?[0-9]+')) OR l.amount < 0", ""},
		{predicate, "l.amount * (SELECT rate FROM fx WHERE ccy = l.currency) = r.paid_amount * (SELECT fx.rate FROM fx WHERE fx.ccy = r.currency)", ""},
		{predicate, "l.currency = r.currency AND date_diff('day', l.invoice_date, r.payment_date) BETWEEN 0 AND 45", "2"},
		{predicate, "l.currency IS NOT DISTINCT FROM r.currency", "2"},

		{matchSQL, "SELECT l.invoice_id, r.payment_id FROM left_src l JOIN right_src r ON l.invoice_id = r.memo", "INV-1"},
		{matchSQL, "SELECT invoice_id, payment_id FROM invoices, payments WHERE invoices.invoice_id = payments.memo", "INV-1"},
		{matchSQL, "SELECT invoice_id, payment_id FROM LEFT_SRC JOIN right_src USING (currency) ORDER BY 1, 2", "INV-1"},
		{matchSQL, `WITH usd AS (SELECT * FROM invoices WHERE currency = 'USD'), p(id, ref) AS (SELECT payment_id, normalize_ref(memo) FROM payments)
			SELECT u.invoice_id, p.id FROM usd u LEFT JOIN p ON starts_with(p.ref, normalize_ref(u.invoice_id))`, "INV-2"},
		{matchSQL, `SELECT invoice_id, payment_id FROM (
			SELECT l.invoice_id, r.payment_id, row_number() OVER (PARTITION BY l.invoice_id ORDER BY r.payment_id) AS n
			FROM left_src l JOIN right_src r ON l.currency = r.currency) x WHERE n = 1 ORDER BY invoice_id DESC`, "INV-2"},
		{matchSQL, "SELECT invoice_id, memo FROM left_src, right_src WHERE memo = invoice_id UNION ALL SELECT 'x', 'y' EXCEPT SELECT 'x', 'y'", "INV-1"},
		{matchSQL, `SELECT max(l.invoice_id), r.memo FROM left_src l CROSS JOIN right_src r GROUP BY r.memo HAVING count(DISTINCT l.invoice_id) > 1 AND sum(l.amount) > 0 ORDER BY r.memo`, "INV-2"},
		{matchSQL, "SELECT l.invoice_id, lag(l.amount, 1, 0) OVER (ORDER BY l.invoice_id) AS before FROM left_src l ORDER BY l.invoice_id LIMIT 1", "INV-1"},
		{matchSQL, "SELECT sum(amount) OVER (ORDER BY invoice_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM left_src ORDER BY s DESC", "107.25"},
		{matchSQL, "SELECT count(*) OVER () AS n, count(*) FILTER (WHERE amount > 50) OVER (PARTITION BY currency) FROM left_src ORDER BY invoice_id LIMIT 1", "2"},
		{matchSQL, "SELECT a.code FROM (VALUES ('EUR', 1), ('USD', 2)) AS a(code, n) ORDER BY a.n", "EUR"},
		{matchSQL, "SELECT DISTINCT currency FROM left_src ORDER BY currency", "EUR"},
		{matchSQL, "SELECT left_src.* FROM left_src WHERE amount > 50", "INV-1"},
		{matchSQL, "FROM left_src SELECT invoice_id WHERE amount > 50", "INV-1"},
	} {
		c, err := check(g, tc.at, tc.text)
		if err != nil {
			t.Errorf("%s: %s\n\trefused: %v", tc.at, tc.text, err)
			continue
		}
		if faults := missing(tc.at, c); len(faults) > 0 {
			t.Errorf("%s: %s\n\tmissing: %v", tc.at, tc.text, faults)
		}
		got, err := firstValue(db, runnable(tc.at, c))
		if err != nil {
			t.Errorf("%s: %s\n\tas %s: %v", tc.at, tc.text, c.SQL, err)
		}
		if tc.want != "" && got != tc.want {
			t.Errorf("%s: %s\n\tas %s = %s, want %s", tc.at, tc.text, c.SQL, got, tc.want)
		}
	}
}

// firstValue returns the first column of the first row as text, "∅" for NULL.
func firstValue(db *sql.DB, query string) (string, error) {
	rows, err := db.Query("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (" + query + ")")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		return "", errors.Join(err, rows.Err())
	}
	values := make([]sql.NullString, len(columns))
	targets := make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return "", err
	}
	if !values[0].Valid {
		return "∅", nil
	}
	return values[0].String, nil
}

func TestGateRefuses(t *testing.T) {
	db := openRun(t)
	g := gate.New(db)
	for _, tc := range []struct {
		at               place
		text, where, why string
	}{
		// Files, network, catalogues.
		{derived, "(SELECT 1 FROM 'x.csv')", "line 1 column 16", "files cannot be read by their name: x.csv"},
		{matchSQL, "SELECT 1 FROM 's3://b/x.parquet'", "line 1 column 15", "files cannot be read"},
		{matchSQL, "SELECT 1 FROM \"x.csv\"", "line 1 column 15", "files cannot be read"},
		{matchSQL, "SELECT * FROM read_csv('x.csv')", "", "functions that give tables"},
		{matchSQL, "SELECT * FROM read_text('/etc/passwd')", "", "functions that give tables"},
		{matchSQL, "SELECT * FROM left_src, glob('*')", "", "functions that give tables"},
		{matchSQL, "SELECT * FROM range(10)", "", "functions that give tables"},
		{matchSQL, "SELECT * FROM query('SELECT 1')", "", "functions that give tables"},
		{matchSQL, "SELECT * FROM duckdb_secrets()", "", "functions that give tables"},
		{matchSQL, "SELECT * FROM duckdb_tables", "line 1 column 15", "there is no table duckdb_tables"},
		{matchSQL, "SELECT * FROM information_schema.tables", "line 1 column 15", "other schemas"},
		{matchSQL, "SELECT * FROM main.left_src", "line 1 column 15", "other schemas"},
		{matchSQL, "SELECT * FROM memory.main.left_src", "", "other schemas"},
		{matchSQL, "WITH \"x.csv\" AS (SELECT * FROM \"x.csv\") SELECT * FROM \"x.csv\"", "", "files cannot be read"},
		{matchSQL, "WITH a AS (SELECT * FROM a) SELECT * FROM a", "", "there is no table a here"},
		{matchSQL, "WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "", "there is no table b here"},
		{matchSQL, "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a), a", "", "there is no table a here"},
		{matchSQL, "WITH left_src AS (SELECT 1) SELECT * FROM left_src", "", "left_src is a table already"},
		{derived, "getenv('HOME')", "line 1 column 1", "getenv reads the settings"},
		{derived, "current_setting('memory_limit')", "line 1 column 1", "reads the settings"},
		{derived, "(SELECT content FROM read_text('/etc/passwd'))", "", "functions that give tables"},
		{derived, "read_text('/etc/passwd')", "line 1 column 1", "read_text reads files"},
		{derived, "query('SELECT 1')", "", "query reads files"},
		{derived, "amount + getvariable('x')", "line 1 column 10", "getvariable reads the settings"},
		{derived, "system.main.upper('x')", "", "not allowed"},
		{derived, "pg_catalog.upper('x')", "", "other schemas"},
		{derived, "(SELECT count(*) FROM left_src)", "", "there is no table left_src here"},

		// Statements.
		{matchSQL, "DROP TABLE left_src", "", "DROP is not allowed"},
		{matchSQL, "COPY left_src TO 'x.csv'", "", "COPY is not allowed"},
		{matchSQL, "INSERT INTO left_src VALUES (1)", "", "INSERT is not allowed"},
		{matchSQL, "ATTACH 'x.db'", "", "ATTACH is not allowed"},
		{matchSQL, "PRAGMA database_list", "", "PRAGMA is not allowed"},
		{matchSQL, "SET threads = 1", "", "SET is not allowed"},
		{matchSQL, "CALL pragma_version()", "", "CALL is not allowed"},
		{matchSQL, "EXPLAIN SELECT 1", "", "EXPLAIN is not allowed"},
		{matchSQL, "EXPLAIN ANALYZE SELECT 1", "", "EXPLAIN is not allowed"},
		{matchSQL, "INSTALL httpfs", "", "INSTALL is not allowed"},
		{matchSQL, "DESCRIBE left_src", "", "DESCRIBE, SHOW and SUMMARIZE"},
		{matchSQL, "SELECT * FROM (SUMMARIZE left_src)", "", "DESCRIBE, SHOW and SUMMARIZE"},
		{matchSQL, "SELECT 1; SELECT 2", "", "there are 2 statements"},
		{matchSQL, "SELECT 1; DROP TABLE left_src", "", "not allowed"},
		{derived, "1; DROP TABLE left_src", "", "not allowed"},
		{derived, "1; SELECT 2", "", "there are 2 statements"},
		{derived, "amount FROM fx", "", "more than one expression"},
		{derived, "amount, currency", "", "more than one expression"},
		{derived, "amount UNION SELECT 1", "", "more than one expression"},
		{derived, "DISTINCT amount", "", "more than one expression"},
		{derived, "amount WHERE true", "", "more than one expression"},
		{derived, "amount LIMIT 1", "", "more than one expression"},
		{derived, "amount AS a", "", "AS a is not allowed"},
		{derived, "SELECT amount", "line 1 column 1", "a query stands where an expression"},
		{derived, "*", "", "* is not allowed"},
		{derived, "", "", "empty"},
		{derived, "  \n", "", "empty"},
		{derived, "-- nothing", "", ""},
		{derived, "amount +", "line 1 column 9", "syntax error"},
		{derived, "amount\n  + + * 2", "line 2 column 9", "syntax error"},
		{derived, "'é' + )", "line 1 column 7", "syntax error"},
		{derived, "concat('é', foo(amount))", "line 1 column 13", "function foo"},
		{derived, "'unterminated", "line 1 column 1", "unterminated"},
		{derived, "amount\x00", "line 1 column 7", "control character U+0000"},
		{derived, "am\xffount", "", "UTF-8"},

		// Results that differ from run to run.
		{derived, "random()", "", "another result every time"},
		{derived, "uuid()", "", "another result every time"},
		{derived, "now()", "", "another result every time"},
		{derived, "current_date", "", "another result every time"},
		{derived, "current_timestamp", "", "another result every time"},
		{derived, "today()", "", "another result every time"},
		{predicate, "l.invoice_date < current_date", "line 1 column 18", "another result every time"},
		{matchSQL, "SELECT * FROM left_src LIMIT 1", "", "LIMIT without ORDER BY"},
		{matchSQL, "SELECT * FROM left_src ORDER BY 1 LIMIT 10%", "", "percentage"},
		{matchSQL, "SELECT * FROM left_src ORDER BY 1 LIMIT (SELECT 1)", "", "LIMIT takes a number"},
		{matchSQL, "SELECT * FROM left_src USING SAMPLE 3", "", "sample is not allowed"},
		{matchSQL, "SELECT * FROM left_src TABLESAMPLE 10%", "", "samples"},
		{matchSQL, "SELECT row_number() OVER () FROM left_src", "", "without ORDER BY"},
		{matchSQL, "SELECT first(amount) FROM left_src", "", "first takes another row"},
		{matchSQL, "SELECT * FROM left_src POSITIONAL JOIN right_src", "", "POSITIONAL joins"},
		{matchSQL, "SELECT DISTINCT ON (currency) invoice_id FROM left_src", "", "DISTINCT ON"},

		// Not the same on every engine, or not exact.
		{derived, "amount / 2", "line 1 column 8", "/ computes in binary floats"},
		{derived, "amount // 2", "", "binary floats"},
		{derived, "amount * 1e-2", "", "binary float"},
		{derived, "amount * 1e400", "", "too large"},
		{derived, "amount::double", "", "binary float"},
		{derived, "amount::float", "", "binary float"},
		{derived, "CAST(amount AS decimal)", "line 1 column 16", "decimal without a precision"},
		{derived, "amount::numeric", "", "decimal without a precision"},
		{derived, "amount::foo", "", "a cast to foo"},
		{derived, "amount::int[]", "", "a cast to LIST"},
		{derived, "invoice_date::timestamptz", "", "time zone"},
		{derived, "invoice_date + INTERVAL 3 DAY", "", "interval"},
		{derived, "description->>'a'", "", "differs between engines"},
		{derived, "description->'a'", "", "not portable"},
		{derived, "[1, 2]", "", "list"},
		{derived, "{'a': 1}", "", "struct_pack is not allowed"},
		{derived, "(1, 2) = (1, 2)", "", "row"},
		{derived, "description[1]", "", "lists"},
		{derived, "description[1:2]", "", "slices"},
		{derived, "list_transform([1], lambda x: x)", "", "not allowed"},
		{derived, "description COLLATE nocase", "", "COLLATE"},
		{derived, "currency ILIKE 'eur'", "", "ILIKE"},
		{derived, "currency SIMILAR TO 'e.*'", "", "differs between engines"},
		{derived, "try(amount)", "", "TRY"},
		{derived, "amount + ?", "", "${name}"},
		{derived, "amount + $1", "", "${name}"},
		{derived, "amount + #1", "", "# references"},
		{derived, "a.b.c", "", "too many parts"},
		{derived, "foo(amount)", "line 1 column 1", "the function foo is not allowed"},
		{derived, "uper(currency)", "", "the function uper is not allowed"},
		{derived, "upper(currency, 1)", "", "upper takes 1 argument, not 2"},
		{derived, "upper(s := currency)", "", "named arguments"},
		{derived, "sum(amount)", "", "goes over many rows"},
		{derived, "row_number() OVER (ORDER BY amount)", "", "go over many rows"},
		{derived, "regexp_extract(description, currency)", "", "in quotes"},
		{derived, "regexp_extract(description, '(a')", "", "not a regular expression"},
		{derived, "regexp_extract(description, '(?=a)')", "", "not a regular expression"},
		{derived, "regexp_replace(description, 'a', '\\1')", "", "without"},
		{derived, "json_value(description, '$.*')", "", "names and positions"},
		{derived, "lpad(description, 100000000, 'x')", "", "whole number from 0 to 1000"},
		{derived, "lpad(description, 3, '')", "", "not empty"},
		{derived, "date_trunc('decade', invoice_date)", "", "unit must be one of"},
		{derived, "convert(amount, 1.5, 9)", "", "whole number from 0 to 4"},
		{derived, "kalla_norm_trim(currency)", "", "not allowed"},
		{matchSQL, "SELECT avg(amount) FROM left_src", "", "binary float"},
		{matchSQL, "SELECT string_agg(currency, ',') FROM left_src", "", "order of rows"},
		{matchSQL, "SELECT * FROM left_src NATURAL JOIN right_src", "", "NATURAL"},
		{matchSQL, "SELECT * FROM left_src ASOF JOIN right_src ON invoice_date >= payment_date", "", "ASOF"},
		{matchSQL, "SELECT * FROM left_src SEMI JOIN right_src ON invoice_id = memo", "", "SEMI"},
		{matchSQL, "SELECT * EXCLUDE (amount) FROM left_src", "", "stars"},
		{matchSQL, "SELECT COLUMNS('a.*') FROM left_src", "", "stars"},
		{matchSQL, "SELECT currency, count(*) FROM left_src GROUP BY ALL", "", "GROUP BY ALL"},
		{matchSQL, "SELECT currency FROM left_src GROUP BY ROLLUP (currency)", "", "grouping sets"},
		{matchSQL, "SELECT amount FROM left_src QUALIFY row_number() OVER (ORDER BY amount) = 1", "", "qualify is not allowed"},
		{matchSQL, "SELECT 1 UNION BY NAME SELECT 2", "", "BY NAME"},
		{matchSQL, "SELECT * FROM left_src AT (VERSION => 1)", "", "versions"},
		{matchSQL, "PIVOT left_src ON currency USING sum(amount)", "", "PIVOT"},
		{matchSQL, "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a) SELECT * FROM a", "", "recursion"},

		// Names.
		{derived, "fx.rate", "line 1 column 1", "there is no table fx here"},
		{predicate, "amount = r.paid_amount", "line 1 column 1", "which side amount is of"},
		{predicate, "l.amount = x.paid_amount", "line 1 column 12", "there is no table x here"},
		{matchSQL, "SELECT z.amount FROM left_src", "line 1 column 8", "there is no table z here"},
		{matchSQL, "SELECT z.* FROM left_src", "", "there is no table z here"},

		// Bounds.
		{derived, strings.Repeat("(", 20000) + "1" + strings.Repeat(")", 20000), "", "nested too deeply"},
		{derived, "1" + strings.Repeat(" + 1", 150), "", "nested too deeply"},
		{derived, "1" + strings.Repeat(" + 1", 2000), "", "nested too deeply"},
		{derived, "amount IN (1" + strings.Repeat(", 1", 6000) + ")", "", "too many parts"},
		{derived, "'" + strings.Repeat("x", 70000) + "'", "", "longer than 64 KiB"},
		{matchSQL, "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 3000), "", "too many parts"},
		{matchSQL, "SELECT 1" + strings.Repeat(" EXCEPT SELECT 1", 150), "", "nested too deeply"},
	} {
		shown := tc.text[:min(len(tc.text), 200)]
		c, err := check(g, tc.at, tc.text)
		if err == nil {
			t.Errorf("%s: %s\n\tallowed as %s", tc.at, shown, c.SQL)
			continue
		}
		var e *kalla.Error
		if !errors.As(err, &e) || e.Code != kalla.CodeRecipe {
			t.Errorf("%s: %s\n\t%#v is not a recipe error", tc.at, shown, err)
			continue
		}
		if !strings.Contains(e.Why+" "+e.Hint, tc.why) || tc.where != "" && e.Where != tc.where {
			t.Errorf("%s: %s\n\t%s: %s (%s), want %s: %s", tc.at, shown, e.Where, e.Why, e.Hint, tc.where, tc.why)
		}
	}
}

func TestGateReports(t *testing.T) {
	g := gate.New(openRun(t))
	c, err := check(g, predicate, `upper(l.invoice_id) = normalize_ref(r.memo) AND (r.currency = l.currency AND l.amount > 0)
		AND l.amount = r.paid_amount + l.amount AND l.currency = 'EUR' AND (l.amount = r.paid_amount OR true)
		AND l.amount = (SELECT rate FROM fx WHERE ccy = r.currency)`)
	if err != nil {
		t.Fatal(err)
	}
	want := []gate.Equality{{"upper(l.invoice_id)", "kalla_normalize_ref(r.memo)"}, {"l.currency", "r.currency"}}
	if !slices.Equal(c.Equalities, want) {
		t.Errorf("equalities %v, want %v", c.Equalities, want)
	}
	if got := strings.Join(c.Tables, " "); got != "fx" {
		t.Errorf("tables %s", got)
	}
	if got := strings.Join(c.Functions, " "); got != "+ normalize_ref upper" {
		t.Errorf("functions %s", got)
	}
	if first := c.Columns[0]; first.Qualifier != "l" || first.Name != "invoice_id" || first.Line != 1 || first.Column != 7 {
		t.Errorf("first column %+v", first)
	}

	c, err = check(g, matchSQL, "SELECT l.invoice_id, r.payment_id AS pid, 1 + 1 FROM left_src l, payments r")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Outputs, []string{"invoice_id", "pid", ""}) || !slices.Equal(c.Tables, []string{"left_src", "payments"}) {
		t.Errorf("outputs %q of tables %q", c.Outputs, c.Tables)
	}
	if c, err = check(g, matchSQL, "SELECT * FROM left_src"); err != nil || c.Outputs != nil {
		t.Errorf("outputs of a star: %q, %v", c.Outputs, err)
	}
}

func TestMissingColumns(t *testing.T) {
	g := gate.New(openRun(t))
	for _, tc := range []struct {
		at   place
		text string
		want []string
	}{
		{derived, "amont + amount", []string{"line 1: there is no column amont (did you mean amount?)"}},
		{derived, "upper(zzz)", []string{"line 1: there is no column zzz (there are invoice_id, amount, currency, invoice_date, description)"}},
		{derived, "rowid", []string{"line 1: there is no column rowid (there are invoice_id, amount, currency, invoice_date, description)"}},
		{derived, "(SELECT rat FROM fx WHERE fx.cc = currency)", []string{
			"line 1: there is no column rat (did you mean rate?)", "line 1: there is no column cc in fx (did you mean ccy?)"}},
		{predicate, "l.amount = r.amount", []string{"line 1: there is no column amount in r (there are payment_id, paid_amount, currency, payment_date, memo)"}},
		{matchSQL, "SELECT\n  currency FROM left_src, right_src", []string{"line 2: currency is a column of several tables (write the table before it: table.currency)"}},
		{matchSQL, "SELECT invoice_id FROM left_src WHERE amount = (SELECT paid_amount FROM right_src WHERE payments.currency = 'x')", nil},
		{matchSQL, "SELECT invoice_id FROM left_src WHERE amount = (SELECT paid_amount FROM right_src WHERE currency = 'x')", []string{
			"line 1: currency is a column of the sub-select's table and of the query around it (write the table before it, or give the outer one another name in an earlier derived column)"}},
		{matchSQL, "SELECT x.id FROM (SELECT invoice_id AS idd FROM left_src) x", []string{"line 1: there is no column id in x (did you mean idd?)"}},
		{matchSQL, "SELECT amount AS a FROM left_src WHERE a > 1 ORDER BY a", []string{"line 1: there is no column a (there are invoice_id, amount, currency, invoice_date, description)"}},
		{matchSQL, "WITH p(id) AS (SELECT payment_id FROM payments) SELECT p.payment_id FROM p", []string{"line 1: there is no column payment_id in p (there are id)"}},
	} {
		c, err := check(g, tc.at, tc.text)
		if tc.want == nil {
			if err == nil {
				t.Errorf("%s: a table that is not in sight was accepted", tc.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		var got []string
		for _, f := range missing(tc.at, c) {
			got = append(got, f.String())
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s\n\tgot  %q\n\twant %q", tc.text, got, tc.want)
		}
	}
}
