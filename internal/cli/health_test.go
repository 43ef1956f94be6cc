package cli_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kalla/internal/cli"
)

// TestHealth: only an answer of 200 is health; what else was answered is said.
func TestHealth(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			http.Error(w, "the disk is full", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct {
		url, says string
		code      int
	}{
		{server.URL + "/health", "", 0},
		{server.URL + "/ready", "the disk is full", 4},
		{gone.URL + "/health", "nothing answers", 4},
		{"http://[", "not a URL", 2},
	} {
		out := world{dir: t.TempDir()}.runAs(t.Context(), cli.Daemon, "health", c.url)
		if out.code != c.code || !strings.Contains(out.stderr, c.says) {
			t.Errorf("%s: code %d, %s", c.url, out.code, out.stderr)
		}
	}
}
