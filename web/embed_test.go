package web_test

import (
	"io/fs"
	"strings"
	"testing"

	"kalla/web"
)

func TestIndexIsTheAppOrSaysHowToBuildIt(t *testing.T) {
	index, err := fs.ReadFile(web.FS(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	want := "make web"
	if web.Built() {
		want = `<div id="root">`
	}
	if !strings.Contains(string(index), want) {
		t.Errorf("index.html lacks %q:\n%s", want, index)
	}
	// The pages are served under script-src 'self'.
	if strings.Contains(string(index), "<script>") {
		t.Error("index.html has an inline script, which the content security policy refuses")
	}
}
