package testenv

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// Maria is a MariaDB server for tests, which speaks MySQL's protocol.
type Maria struct {
	// Password is that of every URL's user, unescaped: what must not show in an error or a log.
	Password string

	process *process
	databases
}

// MariaDB returns the server of this test process, which is started now if it
// does not run yet. Text compares as utf8mb4 without regard to case, as is the
// server's default.
func MariaDB(t testing.TB) *Maria {
	t.Helper()
	m, err := mariaDB()
	if err != nil {
		t.Fatal(err)
	}
	m.process.showLog(t)
	return m
}

// Database creates an empty database that is dropped when the test ends, runs
// the setup statements in it, and returns its URL (mysql://user:password@host:port/name).
func (m *Maria) Database(t testing.TB, setup ...string) string {
	t.Helper()
	return m.create(t, setup)
}

// Open connects to a URL that Database returned, until the test ends.
func (m *Maria) Open(t testing.TB, databaseURL string) *sql.DB {
	t.Helper()
	return m.open(t, databaseURL)
}

var mariaDB = sync.OnceValues(func() (*Maria, error) {
	const install = "apt-get install mariadb-server (or make setup)"
	server, err := program("mariadbd", install)
	if err != nil {
		return nil, err
	}
	installDB, err := program("mariadb-install-db", install)
	if err != nil {
		return nil, err
	}
	m := &Maria{Password: secret()}
	const user = "kalla"
	address := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	var port int
	m.process, port, err = launch(service{
		name:    "mariadb",
		account: "mysql",
		signal:  "KILL",
		prepare: func(p *process) error {
			init := fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO %s@'%%';\n", user, m.Password, user)
			if err := os.WriteFile(filepath.Join(p.dir, "init.sql"), []byte(init), 0o644); err != nil { // in a folder that only its owner enters
				return err
			}
			return p.run(installDB, "--no-defaults", "--datadir="+filepath.Join(p.dir, "data"),
				"--auth-root-authentication-method=normal", "--skip-test-db")
		},
		command: func(dir string, port int) []string {
			return []string{server, "--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--init-file=" + filepath.Join(dir, "init.sql"),
				"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port), "--socket=socket", "--skip-name-resolve", "--skip-log-bin",
				"--character-set-server=utf8mb4", "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0"}
		},
		probe: func(port int) error { return ping("mysql", mysqlDSN(user, m.Password, address(port), "")) },
	})
	if err != nil {
		return nil, err
	}
	m.databases = databases{
		driver: "mysql",
		dsn: func(s string) (string, error) {
			u, err := url.Parse(s)
			if err != nil {
				return "", err
			}
			password, _ := u.User.Password()
			return mysqlDSN(u.User.Username(), password, u.Host, strings.TrimPrefix(u.Path, "/")), nil
		},
		admin:    mysqlDSN(user, m.Password, address(port), ""),
		url:      func(name string) string { return databaseURL("mysql", user, m.Password, address(port), name) },
		createAs: func(name string) string { return "CREATE DATABASE " + name },
		dropAs:   func(name string) string { return "DROP DATABASE " + name },
	}
	return m, nil
})

// mysqlDSN is the data source name in the Go driver's own form.
func mysqlDSN(user, password, address, database string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = user, password, "tcp", address, database
	c.ParseTime = true
	return c.FormatDSN()
}
