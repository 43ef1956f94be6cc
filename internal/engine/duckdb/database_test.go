package duckdb_test

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// openWithExtensions returns a session that finds DuckDB's extensions.
func openWithExtensions(t *testing.T) *duckdb.Session {
	t.Helper()
	return openWith(t, testenv.DuckDBExtensions(t))
}

func with(databaseURL, query string) string {
	sep := "?"
	if strings.Contains(databaseURL, "?") {
		sep = "&"
	}
	return databaseURL + sep + query
}

func TestPostgres(t *testing.T) {
	s := openWithExtensions(t)
	pg := testenv.Postgres(t)
	base := pg.Database(t,
		`CREATE TYPE mood AS ENUM ('calm', 'angry')`,
		`CREATE TABLE t (i int, b bigint, loose numeric, money numeric(12,2), f float8, tx text, ch char(5), ok boolean, d date, ts timestamp,
			tz timestamptz, u uuid, j jsonb, by bytea, e mood, wide numeric(50,10))`,
		`INSERT INTO t VALUES (1, 9007199254740993, 12345678901234567.125, 1.50, 0.1, '007', 'z', true, '2024-01-02', '2024-01-02 03:04:05.123456',
			'2024-01-02 03:04:05+02', '00000000-0000-0000-0000-000000000001', '{"a": 1}', '\x00ff', 'calm', 1234567890123456789012345.5),
			(2, NULL, 0.1, 2.25, 1e300, 'x', NULL, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
		`CREATE SCHEMA books`, `CREATE TABLE books."Ledger" (n numeric)`, `INSERT INTO books."Ledger" VALUES ('NaN'), (1.5)`,
		`CREATE VIEW v AS SELECT i, loose * 2 AS twice FROM t`,
	)
	for _, tc := range []struct{ name, query, schema, rows string }{
		{"table", "table=public.t",
			"i:integer b:integer loose:decimal(38,3) money:decimal(12,2) f:float tx:text ch:text ok:boolean d:date ts:timestamp tz:timestamptz u:text j:text by:text e:text wide:decimal(38,1)",
			`1|9007199254740993|12345678901234567.125|1.50|0.1|007|z|true|2024-01-02|2024-01-02 03:04:05.123456|2024-01-02 01:04:05+00|00000000-0000-0000-0000-000000000001|{"a": 1}|\x00ff|calm|1234567890123456789012345.5` +
				" / 2|∅|0.100|2.25|1e+300|x|∅|false|∅|∅|∅|∅|∅|∅|∅|∅"},
		{"folded name", "table=T", "", ""},
		{"view", "table=v", "i:integer twice:decimal(38,2)", "1|24691357802469134.25 / 2|0.20"},
		{"not a number", "table=books.Ledger", "n:text", "1.5 / NaN"},
		{"query", "query=" + url.PathEscape("SELECT i, loose + 1 AS n FROM t WHERE i > 1;"), "i:integer n:decimal(18,1)", "2|1.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := stage(t, s, input(t, with(base, tc.query), nil))
			if tc.schema == "" {
				return
			}
			if got := typeNames(table.Schema); got != tc.schema {
				t.Errorf("schema is\n%s\nwant\n%s", got, tc.schema)
			}
			if got := flat(read(t, s, "FROM t ORDER BY ALL")); got != tc.rows {
				t.Errorf("rows are\n%s\nwant\n%s", got, tc.rows)
			}
			if table.Consistency != "snapshot" || !strings.HasPrefix(table.Fingerprint, "snapshot:") {
				t.Errorf("consistency %q, fingerprint %q", table.Consistency, table.Fingerprint)
			}
		})
	}
	t.Run("filters and types", func(t *testing.T) {
		in := input(t, with(base, "table=t"), nil)
		in.Filters = []kalla.Filter{{Column: "money", Op: kalla.FilterGt, Values: []string{"1.499"}}, {Column: "tx", Op: kalla.FilterLt, Values: []string{"a"}}}
		in.Types = map[string]kalla.Type{"b": {Kind: kalla.Text}}
		in.Derive = []kalla.Derived{{Name: "twice", SQL: "money * 2"}}
		stage(t, s, in)
		if got := flat(read(t, s, "SELECT i, b, twice FROM t")); got != "1|9007199254740993|3.00" {
			t.Errorf("rows are %s", got)
		}
	})
	t.Run("misfit", func(t *testing.T) {
		in := input(t, with(base, "table=t"), nil)
		in.Types = map[string]kalla.Type{"money": {Kind: kalla.Integer}}
		if e := stageErr(t, s, in, kalla.CodeSource); !strings.Contains(e.Error(), "column money") || !strings.Contains(e.Why, `"1.50"`) {
			t.Errorf("error is %v", e)
		}
		in = input(t, with(base, "table=t"), nil)
		in.Numeric = []string{"tx"}
		if e := stageErr(t, s, in, kalla.CodeSource); !strings.Contains(e.Error(), "column tx") || !strings.Contains(e.Why, `"x"`) {
			t.Errorf("error is %v", e)
		}
	})
}

func TestPostgresFaults(t *testing.T) {
	s := openWithExtensions(t)
	pg := testenv.Postgres(t)
	base := pg.Database(t, `CREATE TABLE invoices (i int)`, `CREATE TABLE hidden (i int)`, `REVOKE ALL ON hidden FROM CURRENT_USER`)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*url.URL)) string {
		c := *u
		f(&c)
		return c.String()
	}
	for _, tc := range []struct{ name, uri, why, hint string }{
		{"missing table", with(base, "table=public.invoice"), `no table "public.invoice"`, `did you mean "public.invoices"`},
		{"missing schema", with(base, "table=pubic.invoices"), `no table`, `public.invoices`},
		{"permission", with(base, "table=hidden"), "may not read", "GRANT SELECT"},
		{"wrong password", with(change(func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wr0ng!pass") }), "table=t"), "password", "check user and password"},
		{"no database", with(change(func(u *url.URL) { u.Path = "/nowhere" }), "table=t"), `no database "nowhere"`, ""},
		{"nobody listens", with(change(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "table=t"), "nothing answers at 127.0.0.1 port 1", ""},
		{"bad query", with(base, "query=SELEC"), "syntax error", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := stageErr(t, s, input(t, tc.uri, nil), kalla.CodeSource)
			if !strings.Contains(e.Why, tc.why) || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("error is %v (%s)", e, e.Hint)
			}
			for _, secret := range []string{pg.Password, "wr0ng!pass"} {
				if strings.Contains(fmt.Sprintf("%v %s %+v", e, e.Hint, e), secret) {
					t.Errorf("the password is in %+v", e)
				}
			}
		})
	}
}

// A writer moves money between two tables while both are staged: the sum of
// both is the same at every point in time.
func TestPostgresSnapshot(t *testing.T) {
	s := openWithExtensions(t)
	pg := testenv.Postgres(t)
	base := pg.Database(t,
		`CREATE TABLE a AS SELECT i AS id, 100.00::numeric(18,2) AS amount, repeat('x', 200) AS note FROM generate_series(1, 40000) i`,
		`CREATE TABLE b AS SELECT i AS id, 100.00::numeric AS amount, repeat('x', 200) AS note FROM generate_series(1, 40000) i`, `ANALYZE`)
	db := pg.Open(t, base)
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	moves := 0
	writer.Go(func() {
		for ctx.Err() == nil {
			id := moves%40000 + 1
			_, err := db.ExecContext(context.Background(), fmt.Sprintf("WITH x AS (UPDATE a SET amount = amount - 7 WHERE id = %d) UPDATE b SET amount = amount + 7 WHERE id = %d", id, 40001-id))
			if err != nil {
				t.Error(err)
				return
			}
			moves++
		}
	})
	defer writer.Wait()
	defer cancel()
	for range 5 {
		left, right := input(t, with(base, "table=a"), nil), input(t, with(base, "table=b"), nil)
		left.Table, right.Table = "l", "r"
		tables, err := s.Stage(t.Context(), []engine.Input{left, right}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tables[0].Fingerprint != tables[1].Fingerprint {
			t.Errorf("snapshots differ: %s, %s", tables[0].Fingerprint, tables[1].Fingerprint)
		}
		if got := flat(read(t, s, "SELECT (SELECT sum(amount) FROM l) + (SELECT sum(amount) FROM r)")); got != "8000000.00" {
			t.Errorf("the sum is %s", got)
		}
	}
	cancel()
	writer.Wait()
	if moves < 10 {
		t.Errorf("only %d moves were made: the test shows nothing", moves)
	}
}

func TestMariaDB(t *testing.T) {
	s := openWithExtensions(t)
	maria := testenv.MariaDB(t)
	base := maria.Database(t,
		`CREATE TABLE t (i int, ub bigint unsigned, money decimal(12,2), wide decimal(60,5), f double, tx varchar(20), small tinyint(1), d date, dt datetime(6), e enum('a','b'), j json, b varbinary(5), y year) CHARACTER SET utf8mb4`,
		`INSERT INTO t VALUES (1, 18446744073709551615, 1.50, 12345678901234567890.12500, 0.1, 'Öre', 3, '2024-01-02', '2024-01-02 03:04:05.123456', 'a', '{"a": 1}', x'00ff', 2024), (2, NULL, NULL, 0.5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
		"CREATE TABLE `odd ``name` (i int)")
	table := stage(t, s, input(t, with(base, "table=t"), nil))
	if got, want := typeNames(table.Schema), "i:integer ub:decimal(20,0) money:decimal(12,2) wide:decimal(38,5) f:float tx:text small:integer d:date dt:timestamp e:text j:text b:text y:text"; got != want {
		t.Errorf("schema is\n%s\nwant\n%s", got, want)
	}
	if got, want := flat(read(t, s, "FROM t ORDER BY i")), `1|18446744073709551615|1.50|12345678901234567890.12500|0.1|Öre|3|2024-01-02|2024-01-02 03:04:05.123456|a|{"a": 1}|\x00ff|2024 / 2|∅|∅|0.50000|∅|∅|∅|∅|∅|∅|∅|∅|∅`; got != want {
		t.Errorf("rows are\n%s\nwant\n%s", got, want)
	}
	in := input(t, with(base, "table=t"), nil)
	in.Filters = []kalla.Filter{{Column: "tx", Op: kalla.FilterEq, Values: []string{"öre"}}}
	if table := stage(t, s, in); table.Rows != 0 {
		t.Error("a filter ignores case")
	}
	stage(t, s, input(t, with(base, "table="+url.PathEscape("odd `name")), nil))
	stage(t, s, input(t, with(base, "query="+url.PathEscape("SELECT i, money * 2 AS m FROM t WHERE i = 1")), nil))
	if got := flat(read(t, s, "FROM t")); got != "1|3.00" {
		t.Errorf("query gives %s", got)
	}
	if e := stageErr(t, s, input(t, with(base, "table=tt"), nil), kalla.CodeSource); !strings.Contains(e.Why, `no table "tt"`) || !strings.Contains(e.Hint, `"t"`) {
		t.Errorf("error is %v (%s)", e, e.Hint)
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "wr0ng!pass")
	if e := stageErr(t, s, input(t, with(u.String(), "table=t"), nil), kalla.CodeSource); !strings.Contains(e.Why, "password") || strings.Contains(e.Error(), "wr0ng") {
		t.Errorf("error is %v", e)
	}
}

// MariaDB reads both tables in one transaction as well.
func TestMariaDBSnapshot(t *testing.T) {
	s := openWithExtensions(t)
	maria := testenv.MariaDB(t)
	base := maria.Database(t, `CREATE TABLE a (id int primary key, amount decimal(18,2)) ENGINE=InnoDB`, `CREATE TABLE b (id int primary key, amount decimal(18,2)) ENGINE=InnoDB`,
		`INSERT INTO a SELECT seq, 100 FROM seq_1_to_20000`, `INSERT INTO b SELECT seq, 100 FROM seq_1_to_20000`)
	db := maria.Open(t, base)
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	moves := 0
	writer.Go(func() {
		for ctx.Err() == nil {
			id := moves%20000 + 1
			_, err := db.ExecContext(context.Background(), fmt.Sprintf("UPDATE a, b SET a.amount = a.amount - 7, b.amount = b.amount + 7 WHERE a.id = %d AND b.id = %d", id, 20001-id))
			if err != nil {
				t.Error(err)
				return
			}
			moves++
		}
	})
	defer writer.Wait()
	defer cancel()
	for range 5 {
		left, right := input(t, with(base, "table=a"), nil), input(t, with(base, "table=b"), nil)
		left.Table, right.Table = "l", "r"
		if _, err := s.Stage(t.Context(), []engine.Input{left, right}, nil); err != nil {
			t.Fatal(err)
		}
		if got := flat(read(t, s, "SELECT (SELECT sum(amount) FROM l) + (SELECT sum(amount) FROM r)")); got != "4000000.00" {
			t.Errorf("the sum is %s", got)
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	writer.Wait()
	if moves < 10 {
		t.Errorf("only %d moves were made: the test shows nothing", moves)
	}
}

func TestSQLite(t *testing.T) {
	s := openWithExtensions(t)
	path := filepath.Join(t.TempDir(), "books.db")
	out, err := exec.Command("sqlite3", path, `
		CREATE TABLE t (id INTEGER PRIMARY KEY, amount DECIMAL(10,2), f REAL, tx TEXT, d DATE, anything, b BLOB);
		INSERT INTO t VALUES (1, 12.5, 0.1, '007', '2024-01-02', 'any', x'00ff'),
			(2, 0.30000000000000004, 1e20, '8', '2024-01-03', 5, NULL), (3, 99999999.99, 1234567.891, NULL, NULL, NULL, NULL);`).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3: %v: %s (apt-get install sqlite3)", err, out)
	}
	uri := "sqlite://" + path
	table := stage(t, s, input(t, with(uri, "table=t"), nil))
	if got, want := typeNames(table.Schema), "id:integer amount:decimal(18,2) f:float tx:text d:date anything:text b:text"; got != want {
		t.Errorf("schema is\n%s\nwant\n%s", got, want)
	}
	if got, want := flat(read(t, s, "FROM t ORDER BY id")), `1|12.50|0.1|007|2024-01-02|any|\x00ff / 2|0.30|1e+20|8|2024-01-03|5|∅ / 3|99999999.99|1234567.891|∅|∅|∅|∅`; got != want {
		t.Errorf("rows are\n%s\nwant\n%s", got, want)
	}
	stage(t, s, input(t, with(uri, "query=SELECT id, amount FROM t WHERE id < 2"), nil))
	if got := flat(read(t, s, "FROM t")); got != "1|12.5" {
		t.Errorf("query gives %s", got)
	}
	if e := stageErr(t, s, input(t, with(uri, "table=tt"), nil), kalla.CodeSource); !strings.Contains(e.Why, `no table "tt"`) {
		t.Errorf("error is %v", e)
	}
	if e := stageErr(t, s, input(t, "sqlite://"+write(t, "x.db", strings.Repeat("not a database", 100))+"?table=t", nil), kalla.CodeSource); !strings.Contains(e.Why, "not a SQLite database") {
		t.Errorf("error is %v", e)
	}
	if e := stageErr(t, s, input(t, "sqlite:///nowhere/x.db?table=t", nil), kalla.CodeSource); !strings.Contains(e.Why, "no such file") {
		t.Errorf("error is %v", e)
	}
}

// Both tables are of one point in time, whether the writer is kept out by a
// lock (journal) or not (write-ahead log).
func TestSQLiteSnapshot(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		t.Run(mode, func(t *testing.T) {
			s := openWithExtensions(t)
			path := filepath.Join(t.TempDir(), "books.db")
			run := func(query string) error {
				return exec.Command("sqlite3", path, query).Run()
			}
			if err := run("PRAGMA journal_mode=" + mode + "; CREATE TABLE a (x int); CREATE TABLE b (x int); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)"); err != nil {
				t.Fatalf("sqlite3: %v (apt-get install sqlite3)", err)
			}
			uri := "sqlite://" + path
			left, right := input(t, with(uri, "table=a"), nil), input(t, with(uri, "table=b"), nil)
			left.Table, right.Table, right.Alias = "l", "r", "later"
			var wrote error
			_, err := s.Stage(t.Context(), []engine.Input{left, right}, func(p kalla.Progress) {
				if p.Source == "payments" && p.Rows > 0 {
					wrote = run("UPDATE a SET x = 2; UPDATE b SET x = 2")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if (wrote == nil) != (mode == "wal") {
				t.Errorf("writing gave %v", wrote)
			}
			if got := flat(read(t, s, "FROM l, r")); got != "1|1" {
				t.Errorf("the tables hold %s", got)
			}
		})
	}
}
