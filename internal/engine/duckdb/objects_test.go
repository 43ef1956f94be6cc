package duckdb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
	"kalla/internal/testenv"
)

// storage is a new place in a bucket, with its credentials.
func storage(t *testing.T, server *testenv.S3Server) source.Source {
	t.Helper()
	env := map[string]string{"AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey, "AWS_REGION": server.Region, "AWS_ENDPOINT_URL": server.Endpoint}
	src, err := source.Parse("s3://"+server.Bucket(t)+"/runs/1/x.json", nil, "", func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	src.Path = strings.TrimSuffix(src.Path, "/x.json")
	return src
}

// TestStageObjects compares the objects of each kind of source with the tables
// that the engine itself stages.
func TestStageObjects(t *testing.T) {
	server := testenv.S3(t)
	pg := testenv.Postgres(t).Database(t, `CREATE TABLE lines (id bigint, amount numeric(12,3), free numeric, note text, at timestamptz, day date, span interval, u uuid, f double precision, ok boolean, tags text[])`,
		`INSERT INTO lines SELECT i, i / 8.0, i / 16.0, 'é' || i, timestamptz '2024-03-31 00:30:00+01' + i * interval '1 hour', date '2024-01-01' + i, interval '1 day' * i, gen_random_uuid(), i / 3.0, i % 2 = 0, ARRAY['a', i::text] FROM generate_series(1, 3000) i`,
		`INSERT INTO lines (id) VALUES (0)`)
	my := testenv.MariaDB(t).Database(t, "CREATE TABLE `lines` (id BIGINT, amount DECIMAL(12,3), note VARCHAR(20))", "INSERT INTO `lines` VALUES (1, 1.125, 'a'), (2, NULL, '')")
	dir := t.TempDir()
	csv := filepath.Join(dir, "a.csv")
	if err := os.WriteFile(csv, []byte("id,amount,day,code\n1,1.50,2024-01-02,007\n2,,2024-01-03,x\n3,12.345,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rates := write(t, "rates.csv", "currency,rate\n007,1.25\nx,2\n")
	maker := openWithExtensions(t)
	parquet := filepath.Join(dir, "a.parquet")
	if _, err := maker.Exec(t.Context(), "COPY (SELECT i AS id, i::HUGEINT AS big, [i] AS list, TIMESTAMPTZ '2024-01-01 12:00:00+02' AS at, i::UBIGINT AS u FROM range(5000) r(i)) TO '"+parquet+"'"); err != nil {
		t.Fatal(err)
	}
	derived := input(t, csv, nil)
	derived.Derive = []kalla.Derived{{Name: "rate", SQL: "(SELECT max(rate) FROM fx WHERE fx.currency = code)"}, {Name: "twice", SQL: "amount * 2"}}
	derived.Filters = []kalla.Filter{{Column: "id", Op: kalla.FilterLt, Values: []string{"3"}}}
	lookup := input(t, rates, nil)
	lookup.Table, lookup.Alias = "fx", "fx"
	for name, inputs := range map[string][]engine.Input{
		"postgres":       {input(t, with(pg, "table=lines"), nil)},
		"postgres query": {input(t, with(pg, "query=SELECT%20*%20FROM%20lines%20WHERE%20id%20<%2010"), nil)},
		"mysql":          {input(t, with(my, "table=lines"), nil)},
		"csv":            {input(t, csv, nil)},
		"empty":          {input(t, write(t, "e.csv", "id,amount\n"), nil)},
		"parquet":        {input(t, parquet, nil)},
		"ndjson":         {input(t, write(t, "a.ndjson", `{"id": 1, "amount": 1.10, "tags": ["a"]}`+"\n"+`{"id": 2, "amount": null}`), nil)},
		"derived":        {lookup, derived},
	} {
		t.Run(name, func(t *testing.T) {
			s := openWithExtensions(t)
			to := storage(t, server)
			staged, err := s.StageObjects(t.Context(), inputs, to, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, server, to, staged[len(staged)-1], inputs)
		})
	}
}

// same compares a staged input, the last, with what the engine stages as a table.
func same(t *testing.T, server *testenv.S3Server, to source.Source, staged engine.Staged, inputs []engine.Input) {
	t.Helper()
	s := openWithExtensions(t)
	tables, err := s.Stage(t.Context(), inputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := tables[len(tables)-1]
	if got := typeNames(staged.Schema); got != typeNames(want.Schema) {
		t.Errorf("schema is %s, want %s", got, typeNames(want.Schema))
	}
	if staged.Rows != want.Rows || staged.Consistency != want.Consistency {
		t.Errorf("%d rows, %q, want %d, %q", staged.Rows, staged.Consistency, want.Rows, want.Consistency)
	}
	if !strings.HasPrefix(staged.Location, to.Path+"/t/") {
		t.Errorf("location is %s", staged.Location)
	}
	list := make([]string, len(want.Schema))
	for i, c := range want.Schema {
		name := `"` + c.Name + `"`
		list[i] = name
		switch c.Type.Kind {
		case kalla.TimestampTZ:
			list[i] += "::TIMESTAMP AS " + name
		case kalla.Other:
			list[i] += "::VARCHAR AS " + name
		}
	}
	if _, err := s.StageObjects(t.Context(), nil, to, nil, nil); err != nil { // for its credentials
		t.Fatal(err)
	}
	objects := "(SELECT * FROM read_parquet('" + staged.Location + "/*.parquet'))"
	columns := read(t, s, "SELECT column_name || ':' || column_type FROM (DESCRIBE FROM "+objects+")")
	expected := read(t, s, "SELECT column_name || ':' || column_type FROM (DESCRIBE SELECT "+strings.Join(list, ", ")+" FROM t)")
	if columns[0][0] != engine.RowColumn+":BIGINT" {
		t.Errorf("the first column is %s", columns[0][0])
	}
	for _, q := range []string{
		"(SELECT * EXCLUDE (kalla_row) FROM %o) EXCEPT ALL (SELECT %l FROM t)",
		"(SELECT %l FROM t) EXCEPT ALL (SELECT * EXCLUDE (kalla_row) FROM %o)",
		"SELECT kalla_row FROM %o GROUP BY 1 HAVING count(*) > 1",
	} {
		q = strings.NewReplacer("%o", objects, "%l", strings.Join(list, ", ")).Replace(q)
		if rows := read(t, s, q); len(rows) > 0 {
			t.Errorf("%s gives %d rows, such as %v", q, len(rows), rows[0])
		}
	}
	if got := flat(columns[1:]); got != flat(expected) {
		t.Errorf("columns are %s, want %s", got, flat(expected))
	}
}

func TestStageObjectsErrors(t *testing.T) {
	server := testenv.S3(t)
	to := storage(t, server)
	bad := input(t, write(t, "b.csv", "id,amount\n1,1.5\n2,x\n"), nil)
	bad.Types = map[string]kalla.Type{"amount": {Kind: kalla.DecimalKind, Precision: 18, Scale: 2}}
	want := stageErr(t, open(t), bad, kalla.CodeSource)
	_, err := openWithExtensions(t).StageObjects(t.Context(), []engine.Input{bad}, to, nil, nil)
	if err == nil || err.Error() != want.Error() {
		t.Errorf("got %v, want %v", err, want)
	}
	gone := to
	gone.Path = "s3://" + strings.ToLower("no-such-bucket-kalla") + "/runs/1"
	_, err = openWithExtensions(t).StageObjects(t.Context(), []engine.Input{input(t, write(t, "c.csv", "id\n1\n"), nil)}, gone, nil, nil)
	var e *kalla.Error
	if !errors.As(err, &e) || e.Code != kalla.CodeEngine || !strings.Contains(e.Where, gone.Path) || strings.Contains(e.Error(), server.SecretKey) {
		t.Errorf("got %v", err)
	}
}
