//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
)

// TestDatabaseAway: while PostgreSQL is away the app says so to whoever asks,
// as a problem with what to do, and the run that is under way ends when it is back.
func TestDatabaseAway(t *testing.T) {
	f := faulty(t, 20_000, "1m")
	b := f.at(0)
	var run runItem
	r, ok := f.ask(http.MethodPost, "/api/runs", http.Header{"Idempotency-Key": {"k"}}, f.body)
	if err := json.Unmarshal(r.text, &run); !ok || err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("the run is not taken: %s: %v", r.text, err)
	}
	f.work.Go(func() { f.follow(run.RunID) })
	f.pg.Kill(t)

	var asked sync.WaitGroup
	for path, method := range map[string]string{
		"/api/runs": http.MethodGet, "/api/runs/" + run.RunID: http.MethodGet, "/api/runs/" + run.RunID + "/events": http.MethodGet,
		"/api/overview": http.MethodGet, "/api/audit": http.MethodGet, "/api/audit/proof": http.MethodGet, "/api/recipes": http.MethodGet,
		"/api/runs/" + run.RunID + "/cancel": http.MethodPost, "/api/auth/sign-in": http.MethodPost,
	} {
		var text []byte
		if method == http.MethodPost {
			text = []byte(`{"email": "maria@example.com", "password": "` + password + `"}`)
		}
		asked.Go(func() {
			got, err := f.try(0, method, path, nil, text)
			var p struct {
				Status int
				Detail string
			}
			switch {
			case err != nil:
				t.Error(err)
			case json.Unmarshal(got.text, &p) != nil || got.StatusCode != http.StatusServiceUnavailable || p.Status != got.StatusCode || p.Detail == "" ||
				got.Header.Get("Content-Type") != "application/problem+json":
				t.Errorf("%s %s: %s (%s): %s", method, path, got.Status, got.Header.Get("Content-Type"), got.text)
			}
		})
	}
	asked.Wait()
	b.call(http.MethodGet, "/healthz", http.StatusOK, nil, nil)
	b.call(http.MethodGet, "/readyz", http.StatusServiceUnavailable, nil, nil)

	f.pg.Restart(t)
	b.call(http.MethodGet, "/readyz", http.StatusOK, nil, nil)
	// The session, the key and the run have survived.
	again, ok := f.ask(http.MethodPost, "/api/runs", http.Header{"Idempotency-Key": {"k"}}, f.body)
	var same runItem
	if err := json.Unmarshal(again.text, &same); !ok || err != nil || same.RunID != run.RunID {
		t.Errorf("the same request again: %s", again.text)
	}
	f.work.Wait()
	f.runs[run.RunID] = &submitted{key: "k"}
	f.check()
	for _, d := range []*daemon{f.apps[0], f.apps[1], f.scheduler} {
		if d.cmd.ProcessState != nil {
			t.Errorf("%s has ended: %v", d.name, d.cmd.ProcessState)
		}
	}
}
