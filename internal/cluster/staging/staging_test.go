package staging_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/cluster/staging"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/seal"
	"kalla/internal/source"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func keys(t *testing.T, secret string) *seal.Keys {
	t.Helper()
	sum := sha256.Sum256([]byte(secret))
	k, err := staging.Keys(sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// noLeaks checks at the end of a test, after whatever is cleaned up later than this call.
func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, testenv.IgnoreServices()) })
}

// session opens an engine that ends with the test.
func session(t *testing.T) *duckdb.Session {
	t.Helper()
	s, err := duckdb.Open(t.Context(), engine.Limits{TempDir: t.TempDir(), Threads: 2, Extensions: testenv.DuckDBExtensions(t)})
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

// executor starts a daemon with as many places, and returns its URL. A request passes before, where that is given.
func executor(t *testing.T, places int, before func(http.Handler) http.Handler) string {
	t.Helper()
	dir, extensions := t.TempDir(), testenv.DuckDBExtensions(t)
	e := staging.NewExecutor(keys(t, "s3cret"), places, 256<<20, func(ctx context.Context) (staging.Reader, error) {
		return duckdb.Open(ctx, engine.Limits{TempDir: dir, Threads: 1, Memory: 256 << 20, Extensions: extensions})
	})
	var handler http.Handler = e
	if before != nil {
		handler = before(e)
	}
	mux := http.NewServeMux()
	mux.Handle(staging.Path, handler)
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.Close(); e.Close() })
	return server.URL
}

// storage is a new place in a bucket, with its credentials.
func storage(t *testing.T, server *testenv.S3Server) source.Source {
	t.Helper()
	src := object(t, server, server.Bucket(t)+"/runs/1/x.json")
	src.Path = strings.TrimSuffix(src.Path, "/x.json")
	return src
}

// object is a source in a bucket, with its credentials.
func object(t *testing.T, server *testenv.S3Server, path string) source.Source {
	t.Helper()
	env := map[string]string{"AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey, "AWS_REGION": server.Region, "AWS_ENDPOINT_URL": server.Endpoint}
	src, err := source.Parse("s3://"+path, nil, "", func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// stager stages by executors.
func stager(t *testing.T, s *duckdb.Session, to source.Source, urls ...string) *staging.Stager {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &staging.Stager{
		Engine: s, Storage: to, Keys: keys(t, "s3cret"), Client: &http.Client{Transport: transport}, Partitions: 4,
		Executors: func(context.Context) ([]string, error) { return urls, nil },
	}
}

// input reads a URI into a table.
func input(t *testing.T, table, uri string) engine.Input {
	t.Helper()
	src, err := source.Parse(uri, nil, "", os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Input{Table: table, Alias: table, Source: src}
}

func with(databaseURL, query string) string {
	if strings.Contains(databaseURL, "?") {
		return databaseURL + "&" + query
	}
	return databaseURL + "?" + query
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask returns the rows of a query as text.
func ask(t *testing.T, s *duckdb.Session, query string) []string {
	t.Helper()
	rows, err := s.Query(t.Context(), "SELECT concat_ws('|', *COLUMNS(*)) FROM ("+query+")")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line sql.NullString
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line.String)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

const lines = `CREATE TABLE lines AS SELECT i AS id, (i % 1000 / 8.0)::numeric(12,3) AS amount, (i / 16.0)::numeric AS free, 'é' || i AS note,
	timestamptz '2024-03-31 00:30:00+01' + i * interval '1 hour' AS at, date '2024-01-01' + i % 365 AS day, i / 3.0::float8 AS f, i % 2 = 0 AS ok, ARRAY['a', i::text] AS tags, repeat('x', 200) AS filler
	FROM generate_series(1, 60000) i`

// TestSameRows compares what executors stage with what the engine stages as a table.
func TestSameRows(t *testing.T) {
	noLeaks(t)
	server := testenv.S3(t)
	pg := testenv.Postgres(t).Database(t, lines, "CREATE TYPE colour AS ENUM ('red', 'green')", "CREATE TYPE pair AS (a int, b text)",
		"CREATE TABLE odd AS SELECT i AS id, 'red'::colour AS colour, (i, 'x')::pair AS pair, '{\"a\": 1}'::jsonb AS j, 'q'::bytea AS b FROM generate_series(1, 3000) i",
		"CREATE VIEW recent AS SELECT * FROM lines WHERE id > 59000", "CREATE TABLE nothing (id int, amount numeric)",
		"CREATE TABLE parted (id int, note text) PARTITION BY RANGE (id)", "CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (0) TO (100)", "INSERT INTO parted SELECT i, 'n' || i FROM generate_series(1, 50) i")
	my := testenv.MariaDB(t).Database(t, "CREATE TABLE `lines` (id BIGINT, amount DECIMAL(12,3), note VARCHAR(20))", "INSERT INTO `lines` VALUES (1, 1.125, 'a'), (2, NULL, '')")
	bucket := server.Bucket(t)
	for i := range 5 {
		server.Put(t, bucket, fmt.Sprintf("in/p%d.csv", i), []byte(fmt.Sprintf("id,amount,day\n%d,%d.5,2024-01-0%d\n%d,,\n", i, i, i+1, i+100)))
		server.Put(t, bucket, fmt.Sprintf("in/p%d.ndjson", i), []byte(fmt.Sprintf("{\"id\": %d, \"amount\": 1.%d}\n", i, i)))
	}
	s := session(t)
	for i := range 3 {
		path := filepath.Join(t.TempDir(), "p.parquet")
		if _, err := s.Exec(t.Context(), fmt.Sprintf("COPY (SELECT i AS id, (i / 4)::DECIMAL(9,2) AS amount, TIMESTAMPTZ '2024-01-01 12:00:00+02' AS at, [i] AS list FROM range(%d, %d) r(i)) TO '%s'", i*1000, i*1000+700, path)); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		server.Put(t, bucket, fmt.Sprintf("in/p%d.parquet", i), body)
	}
	objects := func(pattern string) engine.Input {
		return engine.Input{Table: "t", Alias: "payments", Source: object(t, server, bucket+"/in/"+pattern)}
	}
	fx := input(t, "fx", write(t, "fx.csv", "day,rate\n2024-01-02,1.25\n2024-01-03,2\n"))
	derived := input(t, "t", with(pg, "table=lines"))
	derived.Derive = []kalla.Derived{{Name: "its_day", SQL: "day"}, {Name: "rate", SQL: "(SELECT max(rate) FROM fx WHERE fx.day = its_day)"}, {Name: "loud", SQL: "upper(note)"}}
	derived.Filters = []kalla.Filter{{Column: "id", Op: kalla.FilterLt, Values: []string{"30000"}}, {Column: "rate", Op: kalla.FilterIsNotNull}}
	filtered := input(t, "t", with(pg, "table=lines"))
	filtered.Filters = []kalla.Filter{{Column: "id", Op: kalla.FilterBetween, Values: []string{"100", "50000.5"}}, {Column: "amount", Op: kalla.FilterIn, Values: []string{"1.5", "-2", "3.125"}},
		{Column: "day", Op: kalla.FilterGte, Values: []string{"2024-03-01"}}, {Column: "free", Op: kalla.FilterNeq, Values: []string{"12.5"}}, {Column: "note", Op: kalla.FilterGt, Values: []string{"a"}}, {Column: "ok", Op: kalla.FilterEq, Values: []string{"true"}}}
	numeric := input(t, "t", with(pg, "query=SELECT%20id,%20(id%20%2F%204.0)::numeric(12,2)::text%20AS%20amount%20FROM%20lines"))
	numeric.Numeric = []string{"amount"}
	urls := []string{executor(t, 2, nil), executor(t, 1, nil)}
	for name, inputs := range map[string][]engine.Input{
		"table":       {input(t, "t", with(pg, "table=lines"))},
		"types":       {input(t, "t", with(pg, "table=odd"))},
		"view":        {input(t, "t", with(pg, "table=recent"))},
		"empty table": {input(t, "t", with(pg, "table=nothing"))},
		"partitioned": {input(t, "t", with(pg, "table=parted"))},
		"numbers":     {numeric},
		"derived":     {fx, derived},
		"filtered":    {filtered},
		"mysql":       {input(t, "t", with(my, "table=lines"))},
		"file":        {input(t, "t", write(t, "a.csv", "id,amount\n1,1.5\n"))},
		"csv":         {objects("*.csv")},
		"ndjson":      {objects("*.ndjson")},
		"parquet":     {objects("*.parquet")},
	} {
		t.Run(name, func(t *testing.T) {
			to := storage(t, server)
			staged, err := stager(t, s, to, urls...).Stage(t.Context(), inputs, to.Path, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, s, staged[len(staged)-1], inputs)
		})
	}
}

// same compares a staged input, the last, with what the engine stages as a table.
func same(t *testing.T, s *duckdb.Session, got engine.Staged, inputs []engine.Input) {
	t.Helper()
	tables, err := s.Stage(t.Context(), inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := tables[len(tables)-1]
	if fmt.Sprint(got.Schema) != fmt.Sprint(want.Schema) {
		t.Errorf("schema is %v, want %v", got.Schema, want.Schema)
	}
	if got.Rows != want.Rows || got.Consistency != want.Consistency {
		t.Errorf("%d rows, %q, want %d, %q", got.Rows, got.Consistency, want.Rows, want.Consistency)
	}
	list := make([]string, len(want.Schema))
	for i, c := range want.Schema {
		list[i] = `"` + c.Name + `"`
		switch c.Type.Kind {
		case kalla.TimestampTZ:
			list[i] += "::TIMESTAMP"
		case kalla.Other:
			list[i] += "::VARCHAR"
		}
	}
	for _, q := range []string{
		"(SELECT * EXCLUDE (kalla_row) FROM %o) EXCEPT ALL (SELECT %l FROM t)",
		"(SELECT %l FROM t) EXCEPT ALL (SELECT * EXCLUDE (kalla_row) FROM %o)",
		"SELECT kalla_row FROM %o GROUP BY 1 HAVING count(*) > 1",
	} {
		q = strings.NewReplacer("%o", "(FROM read_parquet('"+got.Location+"/*.parquet'))", "%l", strings.Join(list, ", ")).Replace(q)
		if rows := ask(t, s, q); len(rows) > 0 {
			t.Errorf("%s gives %d rows, such as %v", q, len(rows), rows[0])
		}
	}
}
