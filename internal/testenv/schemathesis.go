package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Schemathesis returns the program that holds an HTTP API against its OpenAPI document.
func Schemathesis(t testing.TB) string {
	t.Helper()
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "schemathesis-4.32.5", "bin", "schemathesis")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("schemathesis is missing: %v\nrun scripts/schemathesis.sh (or make setup)", err)
	}
	return path
}
