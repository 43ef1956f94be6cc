package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite web/openapi.json")

// The web app's types are made of the document, so it is kept beside them.
func TestOpenAPIIsThatOfTheWebApp(t *testing.T) {
	const file = "../../web/openapi.json"
	s := newSite(t, options{})
	got := s.callAs("", http.MethodGet, "/openapi.json", nil)
	if got.status != http.StatusOK {
		t.Fatalf("status %d: %s", got.status, got.body)
	}
	var document bytes.Buffer
	check(t, json.Indent(&document, got.body, "", "  "))
	document.WriteByte('\n')
	if *update {
		check(t, os.WriteFile(file, document.Bytes(), 0o644))
	}
	kept, err := os.ReadFile(file)
	check(t, err)
	if !bytes.Equal(kept, document.Bytes()) {
		t.Error("web/openapi.json is not what the server publishes: make api rewrites it, and the types made of it")
	}
}
