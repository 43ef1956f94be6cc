// Package testenv gives tests the real services that Kalla works with: a
// PostgreSQL cluster, a MariaDB server, an S3 endpoint that checks signatures,
// and DuckDB's extensions. No test is skipped for want of a service: a missing
// program fails the test and says what to install.
//
// Each service is private to the test process, starts when a test first asks
// for it, listens on a free loopback port, and is gone, with its data, when the
// process ends, however it ends. A package that uses one should still have
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
//
// which waits for that before the process exits.
package testenv

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package, stops what they started, and exits.
func Main(m *testing.M) {
	if dir := os.Getenv(keepTrino); dir != "" {
		os.Exit(keeper(dir))
	}
	trino.ready = true
	code := m.Run()
	stopAll()
	os.Exit(code)
}

// IgnoreServices makes goleak overlook the goroutine that waits for a service.
func IgnoreServices() goleak.Option {
	return goleak.IgnoreAnyFunction("kalla/internal/testenv.(*process).wait")
}

// DuckDBVersion is the version of DuckDB that the module links; extensions are made for exactly one.
const DuckDBVersion = "1.5.5"

// DuckDBExtensions returns the folder that holds NAME.duckdb_extension for each
// of the official extensions that the sources need.
func DuckDBExtensions(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("KALLA_DUCKDB_EXTENSIONS")
	if dir == "" {
		cache, err := cacheDir()
		if err != nil {
			t.Fatal(err)
		}
		platform := strings.Replace(runtime.GOOS, "darwin", "osx", 1) + "_" + runtime.GOARCH
		dir = filepath.Join(cache, "duckdb", "v"+DuckDBVersion, platform)
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres_scanner.duckdb_extension")); err != nil {
		t.Fatalf("DuckDB's extensions are missing: %v\nrun scripts/duckdb-extensions.sh (or make setup)", err)
	}
	return dir
}

// cacheDir is where the scripts of this repository put what they fetch.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "kalla"), err
}

// program finds an executable on the PATH, in /usr/sbin, or in the newest of
// the folders that match a pattern (Debian keeps PostgreSQL's servers off the PATH).
func program(name, install string, patterns ...string) (string, error) {
	var dirs []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return "", err
		}
		slices.SortFunc(found, func(a, b string) int { return versionOf(b) - versionOf(a) })
		dirs = append(dirs, found...)
	}
	for _, dir := range append(dirs, "/usr/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed: %s", name, install)
	}
	return path, nil
}

// versionOf reads the number in a path such as /usr/lib/postgresql/15/bin.
func versionOf(path string) int {
	for part := range strings.SplitSeq(path, "/") {
		if n, err := strconv.Atoi(part); err == nil {
			return n
		}
	}
	return 0
}

// secret returns a password that no log or error may show and that has to be
// escaped in a URL, so that tests meet both mistakes.
func secret() string { return "p@ss/" + strings.ToLower(rand.Text()[:16]) }

// unique returns a name that no other test has, in this process or another.
func unique(prefix string) string { return prefix + strings.ToLower(rand.Text()[:12]) }
