package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // writes inputs and reads evidence
	"github.com/xuri/excelize/v2"

	"kalla"
	"kalla/e2e/oracle"
	"kalla/internal/cli"
	"kalla/internal/testenv"
)

// asDaemon makes the test binary be kallad.
const asDaemon = "KALLA_TEST_DAEMON"

// TestMain lets the test binary be the program.
func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		os.Exit(daemonMain())
	}
	testenv.Main(m)
}

func daemonMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	dir, err := os.Getwd()
	if err != nil {
		return 1
	}
	return cli.Daemon(ctx, cli.Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv, Dir: dir, Now: time.Now})
}

// prepare makes the inputs of a case in dir, or on a server, and returns the
// parameters that name those on a server.
func (c golden) prepare(t *testing.T, dir string) map[string]string {
	t.Helper()
	params := map[string]string{}
	for _, s := range sides {
		as := c.Prepare[s]
		if as == "" {
			continue
		}
		base := filepath.Join(dir, string(s))
		switch as {
		case "csv.gz":
			gzipFile(t, base+".csv", base+".csv.gz")
		case "parquet", "ndjson", "sqlite":
			c.writeWithDuckDB(t, s, base, as)
		case "xlsx":
			c.writeXLSX(t, s, base+".xlsx")
		case "postgres", "postgres-query":
			params[string(s)+"_uri"] = c.loadPostgres(t, s, as)
		case "mysql":
			params[string(s)+"_uri"] = c.loadMySQL(t, s)
		case "s3", "s3-gz":
			params[string(s)+"_uri"] = putS3(t, base+".csv", as)
		default:
			t.Fatalf("case.yaml: nothing is prepared as %q", as)
		}
		if err := os.Remove(base + ".csv"); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return params
}

func gzipFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, gzipped(t, data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// openDuckDB opens a database of the test's own, apart from the engine under test.
func openDuckDB(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	exec(t, db, "SET autoinstall_known_extensions = false")
	exec(t, db, "SET threads = 1")
	return db
}

func exec(t tester, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func quoteText(s string) string  { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// sqlType names a type in DuckDB and PostgreSQL alike.
func sqlType(typ kalla.Type) string {
	switch typ.Kind {
	case kalla.Integer:
		return "BIGINT"
	case kalla.DecimalKind:
		return fmt.Sprintf("DECIMAL(%d,%d)", typ.Precision, typ.Scale)
	case kalla.Float:
		return "DOUBLE PRECISION"
	case kalla.Boolean:
		return "BOOLEAN"
	case kalla.Date:
		return "DATE"
	case kalla.Timestamp:
		return "TIMESTAMP"
	case kalla.TimestampTZ:
		return "TIMESTAMPTZ"
	}
	return "VARCHAR"
}

// statements create a table and fill it, in SQL that DuckDB, PostgreSQL and MySQL understand.
func statements(name string, table oracle.Table, quote func(string) string, typeName func(kalla.Type) string) []string {
	var columns []string
	for _, c := range table.Schema {
		columns = append(columns, quote(c.Name)+" "+typeName(c.Type))
	}
	out := []string{"CREATE TABLE " + name + " (" + strings.Join(columns, ", ") + ")"}
	for _, row := range table.Rows {
		values := make([]string, len(row))
		for i, v := range row {
			values[i] = "NULL"
			if v != nil {
				values[i] = quoteText(oracle.Render(v, table.Schema[i].Type))
			}
		}
		out = append(out, "INSERT INTO "+name+" VALUES ("+strings.Join(values, ", ")+")")
	}
	return out
}

func (c golden) writeWithDuckDB(t *testing.T, s kalla.Side, base, as string) {
	t.Helper()
	db := openDuckDB(t)
	if as == "sqlite" {
		exec(t, db, "LOAD "+quoteText(filepath.Join(testenv.DuckDBExtensions(t), "sqlite_scanner.duckdb_extension")))
	}
	writeTable(t, db, c.table(t, s), string(s)+"s", base+"."+as, as)
}

// writeTable writes a table to a Parquet, NDJSON or SQLite file.
func writeTable(t tester, db *sql.DB, table oracle.Table, name, file, as string) {
	t.Helper()
	target := name
	if as == "sqlite" {
		exec(t, db, "ATTACH "+quoteText(file)+" AS made (TYPE sqlite)")
		target = "made." + name
	}
	exec(t, db, "SET TimeZone = 'UTC'")
	for _, s := range statements(target, table, quoteIdent, sqlType) {
		exec(t, db, s)
	}
	switch as {
	case "parquet":
		exec(t, db, "COPY "+target+" TO "+quoteText(file)+" (FORMAT parquet)")
		exec(t, db, "DROP TABLE "+target)
	case "ndjson":
		exec(t, db, "COPY "+target+" TO "+quoteText(file)+" (FORMAT json)")
	case "sqlite":
		exec(t, db, "DETACH made")
	}
}

// writeXLSX writes a workbook whose first sheet is of no interest when the side
// is the right one.
func (c golden) writeXLSX(t *testing.T, s kalla.Side, file string) {
	t.Helper()
	table := c.table(t, s)
	f := excelize.NewFile()
	defer f.Close()
	sheet := "Sheet1"
	if s == kalla.Right {
		sheet = string(s)
		if _, err := f.NewSheet(sheet); err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellValue("Sheet1", "A1", "not this one"); err != nil {
			t.Fatal(err)
		}
	}
	set := func(col, row int, v any) {
		cell, err := excelize.CoordinatesToCellName(col, row)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetCellValue(sheet, cell, v); err != nil {
			t.Fatal(err)
		}
	}
	for i, col := range table.Schema {
		set(i+1, 1, col.Name)
	}
	for r, row := range table.Rows {
		for i, v := range row {
			switch d := v.(type) {
			case nil:
			case kalla.Decimal:
				f64, _ := d.Float64() // a workbook holds nothing else
				set(i+1, r+2, f64)
			default:
				set(i+1, r+2, d)
			}
		}
	}
	if err := f.SaveAs(file); err != nil {
		t.Fatal(err)
	}
}

func (c golden) loadPostgres(t *testing.T, s kalla.Side, as string) string {
	t.Helper()
	name := string(s) + "s"
	u := testenv.Postgres(t).Database(t, statements(name, c.table(t, s), quoteIdent, sqlType)...)
	if as == "postgres-query" {
		return withQuery(t, u, "query", "SELECT * FROM "+name+" WHERE id IS NOT NULL")
	}
	return withQuery(t, u, "table", "public."+name)
}

func (c golden) loadMySQL(t *testing.T, s kalla.Side) string {
	t.Helper()
	name := string(s) + "s"
	backtick := func(s string) string { return "`" + s + "`" }
	types := func(typ kalla.Type) string {
		if typ.Kind == kalla.Text {
			return "VARCHAR(200)"
		}
		return sqlType(typ)
	}
	u := testenv.MariaDB(t).Database(t, statements(name, c.table(t, s), backtick, types)...)
	return withQuery(t, u, "table", name)
}

// withQuery adds a key to the query of a URL, encoded as Kalla reads it: a plus
// stands for itself.
func withQuery(t *testing.T, u, key, value string) string {
	t.Helper()
	sep := "?"
	if strings.Contains(u, "?") {
		sep = "&"
	}
	return u + sep + key + "=" + url.PathEscape(value)
}

func putS3(t *testing.T, file, as string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key := "in/" + filepath.Base(file)
	if as == "s3-gz" {
		key, data = key+".gz", gzipped(t, data)
	}
	s := testenv.S3(t)
	bucket := s.Bucket(t)
	s.Put(t, bucket, key, data)
	u := "s3://" + bucket + "/" + key
	for _, kv := range [][2]string{
		{"endpoint", s.Endpoint}, {"key_id", s.AccessKey}, {"secret", s.SecretKey}, {"region", s.Region}, {"url_style", "path"},
	} {
		u = withQuery(t, u, kv[0], kv[1])
	}
	return u
}
