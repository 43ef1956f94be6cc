package duckdb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/source"
)

// open returns a session that ends with the test.
func open(t *testing.T) *duckdb.Session { return openWith(t, "") }

// openWith opens a session that looks for extensions in a folder.
func openWith(t *testing.T, extensions string) *duckdb.Session {
	t.Helper()
	s, err := duckdb.Open(t.Context(), engine.Limits{TempDir: t.TempDir(), Threads: 2, Extensions: extensions})
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

// input reads a URI with options into table "t".
func input(t *testing.T, uri string, options map[string]string) engine.Input {
	t.Helper()
	src, err := source.Parse(uri, options, t.TempDir(), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Input{Table: "t", Alias: "payments", Source: src}
}

// write makes a file in a folder of the test.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func stage(t *testing.T, s *duckdb.Session, in engine.Input) engine.Table {
	t.Helper()
	tables, err := s.Stage(t.Context(), []engine.Input{in}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tables[0]
}

// stageErr stages and returns the error, which must be of the class given.
func stageErr(t *testing.T, s *duckdb.Session, in engine.Input, code kalla.Code) *kalla.Error {
	t.Helper()
	_, err := s.Stage(t.Context(), []engine.Input{in}, nil)
	var e *kalla.Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a kalla.Error", err)
	}
	if e.Code != code {
		t.Fatalf("got class %s (%v), want %s", e.Code, e, code)
	}
	return e
}

// read returns the rows of a query, values as DuckDB writes them, NULL as "∅".
func read(t *testing.T, s engine.Session, query string) [][]string {
	t.Helper()
	rows, err := s.Query(t.Context(), "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ("+query+")")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for rows.Next() {
		values, targets := make([]*string, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(names))
		for i, v := range values {
			row[i] = "∅"
			if v != nil {
				row[i] = *v
			}
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// flat joins rows for comparison: "a|b / c|d".
func flat(rows [][]string) string {
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = strings.Join(r, "|")
	}
	return strings.Join(lines, " / ")
}

// typeNames writes a schema as "name:type name:type".
func typeNames(s kalla.Schema) string {
	out := make([]string, len(s))
	for i, c := range s {
		out[i] = c.Name + ":" + string(c.Type.Kind)
		if c.Type.Kind == kalla.DecimalKind {
			out[i] += fmt.Sprintf("(%d,%d)", c.Type.Precision, c.Type.Scale)
		}
	}
	return strings.Join(out, " ")
}

func TestInference(t *testing.T) {
	s := open(t)
	for _, tc := range []struct {
		name   string
		values []string // of one column
		want   string   // its type
		read   string   // its values as read, when they differ from what is written
	}{
		{"integers", []string{"1", "-2", "0", "999999999999999999"}, "integer", ""},
		{"nineteen digits are an id", []string{"1", "1234567890123456789"}, "text", ""},
		{"leading zero", []string{"1", "007"}, "text", ""},
		{"only a zero", []string{"0", "0"}, "integer", ""},
		{"plus sign", []string{"1", "+2"}, "text", ""},
		{"underscore", []string{"1", "1_000"}, "text", ""},
		{"exponent", []string{"1", "1e2"}, "text", ""},
		{"hexadecimal", []string{"1", "0x10"}, "text", ""},
		{"space", []string{"1", " 2"}, "text", ""},
		{"decimals", []string{"1.25", "-2.50", "0.00"}, "decimal(18,2)", ""},
		{"greatest scale", []string{"1.5", "2", "3.125", ".5"}, "decimal(18,3)", "1.500|2.000|3.125|0.500"},
		{"wide decimals", []string{"12345678901234567.89", "0.1"}, "decimal(38,2)", "12345678901234567.89|0.10"},
		{"wide integer among decimals", []string{"12345678901234567890", "0.1"}, "decimal(38,1)", "12345678901234567890.0|0.1"},
		{"too wide", []string{"12345678901234567890123456789012345678.9"}, "text", ""},
		{"decimal with leading zero", []string{"007.50", "1.00"}, "text", ""},
		{"negative zero", []string{"-0", "5"}, "decimal(18,0)", "0|5"},
		{"dates", []string{"2024-02-29", "1999-12-31"}, "date", ""},
		{"no such date", []string{"2024-02-30"}, "text", ""},
		{"short date", []string{"2024-2-9", "2024-02-10"}, "text", ""},
		{"date with rest", []string{"2024-02-1x", "2024-02-10"}, "text", ""},
		{"special dates", []string{"2024-02-10", "infinity", "epoch"}, "text", ""},
		{"timestamps", []string{"2024-02-29 10:11:12", "2024-02-29T10:11:12.5"}, "timestamp", "2024-02-29 10:11:12|2024-02-29 10:11:12.5"},
		{"timestamps and dates", []string{"2024-02-29 10:11:12", "2024-02-28"}, "timestamp", "2024-02-29 10:11:12|2024-02-28 00:00:00"},
		{"nanoseconds would be lost", []string{"2024-02-29 10:11:12.1234567"}, "text", ""},
		{"instants", []string{"2024-02-29T10:11:12Z", "2024-02-29 10:11:12+02:00"}, "timestamptz", "2024-02-29 10:11:12+00|2024-02-29 08:11:12+00"},
		{"with and without offset", []string{"2024-02-29T10:11:12Z", "2024-02-29 10:11:12"}, "text", ""},
		{"nothing", []string{"", ""}, "text", "∅|∅"},
		{"empty among numbers", []string{"1", "", "3"}, "integer", "1|∅|3"},
		{"words", []string{"true", "false"}, "text", ""},
		{"padded text is kept", []string{" a ", "b  "}, "text", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			content := "k,v\n"
			for _, v := range tc.values {
				content += "x," + v + "\n"
			}
			table := stage(t, s, input(t, write(t, "f.csv", content), nil))
			if got := strings.TrimPrefix(typeNames(table.Schema), "k:text v:"); got != tc.want {
				t.Errorf("type is %s, want %s", got, tc.want)
			}
			want := tc.read
			if want == "" {
				want = strings.Join(tc.values, "|")
			}
			var got []string
			for _, r := range read(t, s, "SELECT v FROM t ORDER BY rowid") {
				got = append(got, r[0])
			}
			if strings.Join(got, "|") != want {
				t.Errorf("values are %q, want %q", strings.Join(got, "|"), want)
			}
		})
	}
}

// A value far behind the sample that the sampled type cannot hold must come out exactly.
func TestMisfitBehindSample(t *testing.T) {
	s := open(t)
	for _, tc := range []struct{ name, usual, odd, want, read string }{
		{"more decimals", "10.25", "10.255", "decimal(18,3)", "10.255"},
		{"decimal among integers", "10", "10.5", "decimal(18,1)", "10.5"},
		{"leading zero", "10", "010", "text", "010"},
		{"plus", "10", "+10", "text", "+10"},
		{"exponent", "10.25", "1e1", "text", "1e1"},
		{"word", "10.25", "n/a", "text", "n/a"},
		{"wide", "10.25", "12345678901234567890.25", "decimal(38,2)", "12345678901234567890.25"},
		{"time of day", "2024-01-01", "2024-01-01 10:00:00", "timestamp", "2024-01-01 10:00:00"},
		{"impossible date", "2024-01-01", "2024-13-01", "text", "2024-13-01"},
		{"offset", "2024-01-01 10:00:00", "2024-01-01 10:00:00+02", "text", "2024-01-01 10:00:00+02"},
		{"first value", "", "5", "integer", "5"},
	} {
		for _, filtered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s filtered=%t", tc.name, filtered), func(t *testing.T) {
				const rows = 26_000
				var b strings.Builder
				b.WriteString("k,v\n")
				for i := range rows {
					if i == rows-5000 {
						fmt.Fprintf(&b, "odd,%s\n", tc.odd)
					}
					fmt.Fprintf(&b, "usual,%s\n", tc.usual)
				}
				in := input(t, write(t, "f.csv", b.String()), nil)
				want := int64(rows + 1)
				if filtered { // the odd row is dropped, and decides the type all the same
					in.Filters = []kalla.Filter{{Column: "k", Op: kalla.FilterNeq, Values: []string{"odd"}}}
					want = rows
				}
				table := stage(t, s, in)
				if got := strings.TrimPrefix(typeNames(table.Schema), "k:text v:"); got != tc.want {
					t.Errorf("type is %s, want %s", got, tc.want)
				}
				if table.Rows != want {
					t.Errorf("%d rows, want %d", table.Rows, want)
				}
				got := flat(read(t, s, "SELECT v FROM t WHERE k = 'odd'"))
				if filtered && got != "" || !filtered && got != tc.read {
					t.Errorf("odd value is %q", got)
				}
			})
		}
	}
}

func TestFiltersAndDerive(t *testing.T) {
	s := open(t)
	fx := input(t, write(t, "fx.csv", "ccy,rate\nEUR,1.1\nUSD,1\n"), nil)
	fx.Table, fx.Alias = "fx", "fx"
	in := input(t, write(t, "f.csv", "id,amount,ccy,day\n1,10.00,EUR,2024-01-01\n2,20.00,USD,2024-01-02\n3,,USD,2024-01-03\n4,40.00,EUR,2024-01-04\n"), nil)
	in.Derive = []kalla.Derived{
		{Name: "rate", SQL: "(SELECT f.rate FROM fx f WHERE f.ccy = ccy_upper)"},
	}
	in.Derive = append([]kalla.Derived{{Name: "ccy_upper", SQL: "upper(ccy)"}}, in.Derive...)
	in.Derive = append(in.Derive, kalla.Derived{Name: "usd", SQL: "amount * rate"})
	filter := func(column string, op kalla.FilterOp, values ...string) kalla.Filter {
		return kalla.Filter{Column: column, Op: op, Values: values}
	}
	for _, tc := range []struct {
		name    string
		filters []kalla.Filter
		want    string
	}{
		{"none", nil, "1|11.000 / 2|20.000 / 3|∅ / 4|44.000"},
		{"number", []kalla.Filter{filter("amount", kalla.FilterGte, "20")}, "2|20.000 / 4|44.000"},
		{"finer than the column", []kalla.Filter{filter("amount", kalla.FilterGt, "39.999")}, "4|44.000"},
		{"date", []kalla.Filter{filter("day", kalla.FilterBetween, "2024-01-02", "2024-01-03")}, "2|20.000 / 3|∅"},
		{"null", []kalla.Filter{filter("amount", kalla.FilterIsNull)}, "3|∅"},
		{"not null", []kalla.Filter{filter("amount", kalla.FilterIsNotNull), filter("ccy", kalla.FilterNeq, "EUR")}, "2|20.000"},
		{"in", []kalla.Filter{filter("id", kalla.FilterIn, "1", "3")}, "1|11.000 / 3|∅"},
		{"like", []kalla.Filter{filter("ccy", kalla.FilterLike, "E%")}, "1|11.000 / 4|44.000"},
		{"derived", []kalla.Filter{filter("usd", kalla.FilterGt, "15"), filter("id", kalla.FilterLt, "4")}, "2|20.000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in.Filters = tc.filters
			tables, err := s.Stage(t.Context(), []engine.Input{fx, in}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := flat(read(t, s, "SELECT id, usd FROM t ORDER BY id")); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			want := "id:integer amount:decimal(18,2) ccy:text day:date ccy_upper:text rate:decimal(18,1) usd:decimal(18,3)"
			if got := typeNames(tables[1].Schema); got != want {
				t.Errorf("schema is %s, want %s", got, want)
			}
		})
	}

	t.Run("faults", func(t *testing.T) {
		in.Filters = []kalla.Filter{filter("amount", kalla.FilterGt, "much")}
		if e := stageErr(t, s, in, kalla.CodeRecipe); !strings.Contains(e.Error(), "amount") || !strings.Contains(e.Error(), `"much"`) {
			t.Errorf("error is %v", e)
		}
		in.Filters = []kalla.Filter{filter("amuont", kalla.FilterGt, "1")}
		if e := stageErr(t, s, in, kalla.CodeRecipe); !strings.Contains(e.Hint, `did you mean "amount"`) {
			t.Errorf("hint is %q", e.Hint)
		}
		in.Filters = nil
		in.Derive = []kalla.Derived{{Name: "Amount", SQL: "1"}}
		if e := stageErr(t, s, in, kalla.CodeSource); !strings.Contains(e.Error(), "derived column") {
			t.Errorf("error is %v", e)
		}
	})
}

func TestCancel(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := s.Exec(ctx, "CREATE TABLE big AS SELECT count(*) FROM range(100000000) a, range(100000) b WHERE a.range + b.range = 3")
	if kalla.CodeOf(err) != kalla.CodeCanceled {
		t.Errorf("got %v, want a cancelled error", err)
	}
	if took := time.Since(start); took > 1200*time.Millisecond {
		t.Errorf("it took %v to stop", took)
	}
	if got := flat(read(t, s, "SELECT 1")); got != "1" {
		t.Errorf("the session does not work after a cancellation: %s", got)
	}
}
