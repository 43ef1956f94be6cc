package server_test

import (
	"net/http"
	"testing"

	"kalla/internal/server"
)

// A form tries what it is about to save: nothing is registered by it, and what
// is registered stays as it is.
func TestSourceIsTriedBeforeItIsSaved(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{scheduler: scheduler(t).URL()})
	file := write(t, "payments.csv", "id,amount\n1,10.50\n2,7.00\n")
	try := func(uri string) server.SourceTest {
		t.Helper()
		return want[server.SourceTest](t, s.call(http.MethodPost, "/api/sources/test", object{"alias": "payments", "uri": uri}), 200)
	}

	if got := try(file + ".csv"); got.OK || got.Error == "" || got.Hint == "" {
		t.Errorf("of a file that is not there: %+v", got)
	}
	if got := try(file); !got.OK || len(got.Columns) != 2 || len(got.Rows) != 2 || *got.Rows[1][1] != "7.00" {
		t.Errorf("of the file: %+v", got)
	}
	if list := want[[]object](t, s.call(http.MethodGet, "/api/sources", nil), 200); len(list) != 0 {
		t.Errorf("trying registered %v", list)
	}
	if got := s.call(http.MethodPost, "/api/sources/test", object{"alias": "payments", "uri": "payments.csv"}); got.status != 422 {
		t.Errorf("of a relative path: status %d: %s", got.status, got.body)
	}

	want[server.Done](t, s.call(http.MethodPost, "/api/sources", object{"alias": "payments", "uri": file}), 200)
	want[server.SourceTest](t, s.call(http.MethodPost, "/api/sources/payments/test", nil), 200)
	try(file + ".csv")
	if got := want[server.Source](t, s.call(http.MethodGet, "/api/sources/payments", nil), 200); got.Status != "connected" || got.URI != file {
		t.Errorf("after another place was tried: %+v", got)
	}
}
