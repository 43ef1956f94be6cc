//go:build unix

package testenv_test

import (
	"testing"

	"kalla/internal/testenv"
)

// TestOwnPostgres: what was committed is there after the server was killed, and nothing answers meanwhile.
func TestOwnPostgres(t *testing.T) {
	t.Parallel()
	pg := testenv.OwnPostgres(t)
	db := pg.Open(t, pg.Database(t, "CREATE TABLE t (n int)"))
	for want := range 3 {
		if _, err := db.Exec("INSERT INTO t VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		pg.Kill(t)
		if err := db.Ping(); err == nil {
			t.Error("it answers after it was killed")
		}
		pg.Restart(t)
		var n int
		if err := db.QueryRow("SELECT count(*) FROM t").Scan(&n); err != nil || n != want+1 {
			t.Errorf("%d rows, %v; want %d", n, err, want+1)
		}
	}
}
