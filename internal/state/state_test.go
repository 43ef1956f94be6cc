package state_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

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
