package app_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/testenv"
)

// TestNoExecutors: what asks for a cluster that has nobody to work waits for a
// while and then says so; what only may use it runs on this machine.
func TestNoExecutors(t *testing.T) {
	for name, nodes := range map[string]func(context.Context) ([]job.Node, error){
		"no executor is there":        func(context.Context) ([]job.Node, error) { return nil, nil },
		"the cluster does not answer": func(context.Context) ([]job.Node, error) { return nil, errors.New("connection refused") },
	} {
		j := small(t)
		j.Cluster = &app.Cluster{Nodes: nodes, Patience: time.Millisecond}
		if _, err := app.Run(t.Context(), j); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		j = small(t)
		j.Cluster, j.Engine = &app.Cluster{Nodes: nodes, Patience: 1500 * time.Millisecond}, "trino"
		waited := false
		j.Report = func(p kalla.Progress) { waited = waited || p.Step == "waiting for executors" }
		_, err := app.Run(t.Context(), j)
		e, ok := errors.AsType[*kalla.Error](err)
		if !ok || e.Code != kalla.CodeEngine || !strings.Contains(e.Why, name) || !strings.Contains(e.Hint, "kallad executor") {
			t.Errorf("%s: it ends with %v", name, err)
		}
		if !waited {
			t.Errorf("%s: nobody was told that it waits", name)
		}
		if _, err := os.Stat(j.Out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is evidence (%v)", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		j.Report = func(kalla.Progress) { cancel() }
		j.Cluster.Patience = time.Hour
		if _, err := app.Run(ctx, j); kalla.CodeOf(err) != kalla.CodeCanceled {
			t.Errorf("%s: cancelled, it ends with %v", name, err)
		}
	}
}

// TestClusterSwept: a scheduler that starts removes what its own runs have left
// in the storage, and nothing of others.
func TestClusterSwept(t *testing.T) {
	store := testenv.S3(t)
	storage := store.URI(store.Bucket(t), "cluster")
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey}[name]
		return v, ok
	}
	dir := t.TempDir()
	open := func() {
		t.Helper()
		_, stop, err := app.OpenCluster(app.ClusterConfig{DataDir: dir, URL: "http://127.0.0.1:1", Storage: storage, Env: env,
			Secret: "a secret of sixteen", Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(context.Background()) })
	}
	open()
	owner, err := os.ReadFile(filepath.Join(dir, "cluster-owner"))
	if err != nil {
		t.Fatal(err)
	}
	own := strings.TrimSpace(string(owner))
	p, err := objects.Open(storage, env)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A metastore beside a cluster of others is theirs.
	others := []string{"exchange/q/0.data", "runs/0000_000000_run_1/sources/left/0.parquet", "tables/run_" + own + "_000000_run_1/t"}
	for _, name := range append([]string{"runs/" + own + "_000000_run_1/sources/left/0.parquet", "runs/" + own + "_000000_run_1/tables/t/0"}, others...) {
		if err := p.Upload(t.Context(), name, file, "test"); err != nil {
			t.Fatal(err)
		}
	}
	open()
	var left []string
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		found, err := p.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if left = slices.Sorted(maps.Keys(found)); len(left) <= len(others) {
			break
		}
	}
	if !slices.Equal(left, others) {
		t.Errorf("there are %v, want %v", left, others)
	}
}
