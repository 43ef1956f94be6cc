package duckdb_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
	"kalla/internal/testenv"
)

func TestS3(t *testing.T) {
	s := openWithExtensions(t)
	server := testenv.S3(t)
	bucket := server.Bucket(t)
	server.Put(t, bucket, "in/p1.csv", []byte("id,amount\n1,1.50\n"))
	server.Put(t, bucket, "in/p2.csv", []byte("id,amount\n2,2.25\n"))
	server.Put(t, bucket, "in/p.csv.gz", []byte(gz(t, "id,amount\n3,3.125\n")))
	server.Put(t, bucket, "in/empty.csv", nil)
	parquet := filepath.Join(t.TempDir(), "p.parquet")
	if _, err := s.Exec(t.Context(), "COPY (SELECT 4 AS id, 4.5::DECIMAL(18,2) AS amount) TO '"+parquet+"'"); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(parquet)
	if err != nil {
		t.Fatal(err)
	}
	server.Put(t, bucket, "in/p.parquet", body)

	env := map[string]string{"AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey, "AWS_REGION": server.Region, "AWS_ENDPOINT_URL": server.Endpoint}
	from := func(key string, change map[string]string) engine.Input {
		t.Helper()
		src, err := source.Parse("s3://"+bucket+"/"+key, nil, "", func(name string) (string, bool) {
			if v, ok := change[name]; ok {
				return v, true
			}
			v, ok := env[name]
			return v, ok
		})
		if err != nil {
			t.Fatal(err)
		}
		return engine.Input{Table: "t", Alias: "payments", Source: src}
	}
	for _, tc := range []struct{ key, schema, rows string }{
		{"in/p1.csv", "id:integer amount:decimal(18,2)", "1|1.50"},
		{"in/p[12].csv", "id:integer amount:decimal(18,2)", "1|1.50 / 2|2.25"},
		{"in/p.csv.gz", "id:integer amount:decimal(18,3)", "3|3.125"},
		{"in/p.parquet", "id:integer amount:decimal(18,2)", "4|4.50"},
	} {
		t.Run(tc.key, func(t *testing.T) {
			table := stage(t, s, from(tc.key, nil))
			if got := typeNames(table.Schema); got != tc.schema {
				t.Errorf("schema is %s", got)
			}
			if got := flat(read(t, s, "FROM t ORDER BY id")); got != tc.rows {
				t.Errorf("rows are %s", got)
			}
			if !strings.Contains(table.Fingerprint, "size:") || !strings.Contains(table.Fingerprint, "mtime:20") {
				t.Errorf("fingerprint is %q", table.Fingerprint)
			}
		})
	}
	for _, tc := range []struct {
		name, key string
		change    map[string]string
		why       string
	}{
		{"missing", "in/none.csv", nil, "no such object"},
		{"no match", "in/z*.csv", nil, "no object matches"},
		{"empty", "in/empty.csv", nil, "empty"},
		{"wrong secret", "in/p1.csv", map[string]string{"AWS_SECRET_ACCESS_KEY": "wr0ng!secret"}, "denies access"},
		{"nobody listens", "in/p1.csv", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "nothing answers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := stageErr(t, s, from(tc.key, tc.change), kalla.CodeSource)
			if !strings.Contains(e.Why, tc.why) {
				t.Errorf("error is %v", e)
			}
			for _, secret := range []string{server.SecretKey, "wr0ng!secret"} {
				if strings.Contains(fmt.Sprintf("%+v", e), secret) {
					t.Errorf("the secret is in %+v", e)
				}
			}
		})
	}
	t.Run("sealed", func(t *testing.T) {
		if err := s.Seal(t.Context(), t.TempDir()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Exec(t.Context(), "SELECT * FROM read_csv('s3://"+bucket+"/in/p1.csv')"); err == nil {
			t.Error("a sealed session reads from S3")
		}
		if got := flat(read(t, s, "SELECT count(*) FROM duckdb_secrets()")); got != "0" {
			t.Errorf("%s secrets are kept", got)
		}
	})
}

var testTime = time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)

func TestHTTP(t *testing.T) {
	s := openWithExtensions(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("sig") != "s3cr3t" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		http.ServeContent(w, r, "p.csv", testTime, strings.NewReader("id,amount\n1,1.50\n"))
	}))
	t.Cleanup(server.Close)
	in := input(t, server.URL+"/p.csv?sig=s3cr3t&delimiter=,", nil)
	stage(t, s, in)
	if got := flat(read(t, s, "FROM t")); got != "1|1.50" {
		t.Errorf("rows are %s", got)
	}
	e := stageErr(t, s, input(t, server.URL+"/p.csv?sig=0ther", nil), kalla.CodeSource)
	if !strings.Contains(e.Why, "the server") || strings.Contains(fmt.Sprintf("%+v", e), "0ther") {
		t.Errorf("error is %+v", e)
	}
}
