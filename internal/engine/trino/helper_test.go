package trino_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
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
	"kalla/internal/seal"
	"kalla/internal/testenv"
)

// openTrino opens a session on the tests' cluster, whose sources are staged by
// DuckDB, and by executors of the cluster where there are some.
func openTrino(t testing.TB, executors int) *trino.Session {
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
	stager := &staging.Stager{Engine: embedded, Storage: storage}
	if executors > 0 {
		stager.Keys, stager.Client = keys(t), http.DefaultClient
		urls := daemons(t, stager.Keys, executors)
		stager.Executors = func(context.Context) ([]string, error) { return urls, nil }
	}
	s, err := trino.Open(t.Context(), trino.Config{URL: c.URL, Client: c.Client, RunID: id, Prefix: storage.Path + "/tests/" + id,
		Stager: stager})
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

// keys are those of one cluster.
func keys(t testing.TB) *seal.Keys {
	t.Helper()
	k, err := staging.Keys(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// daemons starts what executors read and write with, and returns their URLs.
func daemons(t testing.TB, keys *seal.Keys, n int) []string {
	const memory = 256 << 20
	t.Helper()
	var urls []string
	for range n {
		dir := t.TempDir()
		e := staging.NewExecutor(keys, 1, memory, func(ctx context.Context) (staging.Reader, error) {
			return duckdb.Open(ctx, engine.Limits{TempDir: dir, Threads: 1, Memory: memory, Extensions: testenv.DuckDBExtensions(t)})
		})
		mux := http.NewServeMux()
		mux.Handle(staging.Path, e)
		server := httptest.NewServer(mux)
		t.Cleanup(func() { server.Close(); e.Close() })
		urls = append(urls, server.URL)
	}
	return urls
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
