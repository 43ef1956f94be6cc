package state_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"kalla"
	"kalla/internal/state"
	"kalla/internal/state/statetest"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func sqlite(t testing.TB) string { return filepath.Join(t.TempDir(), "state.db") }

func postgres(t testing.TB) string { return testenv.Postgres(t).Database(t) }

func TestSQLite(t *testing.T) { statetest.Run(t, sqlite) }

func TestPostgres(t *testing.T) { statetest.Run(t, postgres) }

func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, testenv.IgnoreServices()) })
}

// A connection that the server ends is replaced, and nobody notices.
func TestPostgresConnectionsEnd(t *testing.T) {
	noLeaks(t)
	s := statetest.Open(t, postgres(t), nil)
	admin, err := pgx.Connect(t.Context(), testenv.Postgres(t).AdminURL)
	check(t, err)
	defer admin.Close(context.WithoutCancel(t.Context()))
	database := s.Name()[strings.LastIndex(s.Name(), "/")+1:]
	for i := range 10 {
		_, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
		check(t, err)
		if i%2 == 0 {
			check(t, s.Record(t.Context(), "test", "x", "y", nil))
		} else {
			_, err = s.Sources(t.Context(), state.Page{})
			check(t, err)
		}
	}
	proof, err := s.VerifyAudit(t.Context())
	check(t, errors.Join(err, proof.Error()))
	if proof.Entries != 5 {
		t.Errorf("%d entries of 5 changes", proof.Entries)
	}
}

// What cannot be opened says what and why, without the password, and soon.
func TestOpenFails(t *testing.T) {
	noLeaks(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, free.Close())
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("this is no database\n", 100)), 0o600))
	pg, err := url.Parse(postgres(t))
	check(t, err)
	wrong := *pg
	wrong.User = url.UserPassword(pg.User.Username(), "s3cr3t")
	for _, u := range []string{
		"postgres://u:s3cr3t@" + free.Addr().String() + "/kalla", wrong.String(), "postgres://u:s3cr3t@host:port/x", "mysql://u:s3cr3t@host/x",
		filepath.Join(dir, "no", "folder.db"), dir, filepath.Join(dir, "text.db"),
	} {
		_, err := state.Open(t.Context(), u, state.Options{Keys: statetest.Keys})
		e, ok := errors.AsType[*kalla.Error](err)
		if !ok || e.Hint == "" || e.Where == "" {
			t.Errorf("%s: %v", u, err)
		} else if text := fmt.Sprintf("%v %+v %s", err, e, e.Hint); strings.Contains(text, "s3cr3t") {
			t.Errorf("%s: the error shows the password: %s", u, text)
		}
	}
}

// The file is its owner's, whatever it was before; odd names are names.
func TestSQLiteFile(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a b?c%20#&.db")
	check(t, os.WriteFile(path, nil, 0o644))
	s := statetest.Open(t, "sqlite:"+path, nil)
	check(t, s.Record(t.Context(), "test", "x", "y", nil))
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		check(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%q has mode %v", suffix, info.Mode())
		}
	}
	files, err := os.ReadDir(filepath.Dir(path))
	check(t, err)
	if len(files) != 4 {
		t.Errorf("files %v", files)
	}
}
