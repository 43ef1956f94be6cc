package trino_test

import (
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla/internal/cluster"
	"kalla/internal/cluster/staging"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/engine/trino"
	"kalla/internal/testenv"
)

// openTrino opens a session on the tests' cluster, whose sources are staged by DuckDB.
func openTrino(t testing.TB) *trino.Session {
	t.Helper()
	c := testenv.Trino(t, 2)
	storage, err := cluster.ParseStorage(c.Storage, c.Env)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := duckdb.Open(t.Context(), engine.Limits{Threads: 1, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = embedded.Close() })
	id := strings.ToLower(rand.Text())
	s, err := trino.Open(t.Context(), trino.Config{URL: c.URL, Client: c.Client, RunID: id, Prefix: storage.Path + "/tests/" + id,
		Stager: &staging.Stager{Engine: embedded, Storage: storage}})
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

// fetch gives a file with the content of a part.
func fetch(t testing.TB, p engine.Part) string {
	t.Helper()
	u, err := url.Parse(p.URI)
	if err != nil {
		t.Fatal(err)
	}
	data := testenv.Trino(t, 0).S3.Get(t, u.Host, strings.TrimPrefix(u.Path, "/"))
	if int64(len(data)) != p.Bytes {
		t.Errorf("%s has %d bytes, not %d", p.URI, len(data), p.Bytes)
	}
	file := filepath.Join(t.TempDir(), "part.parquet")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
