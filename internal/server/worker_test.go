package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla/internal/server"
)

// report calls back as a scheduler does.
func (s *site) report(kind, token, body string) answered {
	s.t.Helper()
	r := s.request(http.MethodPost, "/api/worker/"+kind, []byte(body))
	r.Header.Del("Sec-Fetch-Site")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	check(s.t, err)
	defer resp.Body.Close()
	text := make([]byte, 4096)
	n, _ := resp.Body.Read(text)
	return answered{resp.StatusCode, resp.Header, text[:n]}
}

// ok reports something that must be taken.
func (s *site) ok(kind, format string, args ...any) {
	s.t.Helper()
	if got := s.report(kind, workerToken, fmt.Sprintf(format, args...)); got.status != http.StatusOK || strings.TrimSpace(string(got.body)) != `{"ok":true}` {
		s.t.Errorf("%s: %d %s", kind, got.status, got.body)
	}
}

// TestCallbacks: what comes late, twice or out of order changes nothing and is
// answered like all else; what nobody sent is refused. There is no scheduler
// that could interfere.
func TestCallbacks(t *testing.T) {
	for name, database := range stores {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			noLeaks(t)
			s := newSite(t, options{database: url})
			id := s.start(map[string]any{"recipe": inline(data(t, 10))})

			for _, token := range []string{"", "wrong", s.token} {
				if got := s.report("progress", token, fmt.Sprintf(`{"run_id": %q}`, id)); got.status != http.StatusUnauthorized {
					t.Errorf("token %q: %d", token, got.status)
				}
			}
			for _, kind := range []string{"progress", "complete", "error"} {
				if got := s.report(kind, workerToken, `{"run_id": "nobody's", "stage": "staging"}`); got.status != http.StatusNotFound {
					t.Errorf("%s of an unknown run: %d %s", kind, got.status, got.body)
				}
				if got := s.report(kind, workerToken, `{}`); got.status != http.StatusUnprocessableEntity {
					t.Errorf("%s without a run: %d %s", kind, got.status, got.body)
				}
				if got := s.report(kind, workerToken, `{`); got.status != http.StatusUnprocessableEntity {
					t.Errorf("%s that is no JSON: %d %s", kind, got.status, got.body)
				}
			}

			s.ok("progress", `{"run_id": %q, "attempt": 1, "stage": "matching", "progress": 0.5, "total_left": 10, "from_the_future": [1]}`, id)
			s.ok("progress", `{"run_id": %q, "attempt": 1, "stage": "staging", "progress": 0.9}`, id) // overtaken
			s.ok("progress", `{"run_id": %q, "attempt": 7, "stage": "evidence", "progress": 1}`, id)  // of no attempt
			s.ok("error", `{"run_id": %q, "attempt": 7, "error": "not this one"}`, id)
			time.Sleep(1200 * time.Millisecond) // what was put off is written
			if run := s.run(id); run.Status != server.RunMatching || run.LatestProgress.Progress != 0.5 || run.LatestProgress.Overall != 0.65 || *run.LatestProgress.TotalLeft != 10 {
				t.Errorf("%s %+v", run.Status, run.LatestProgress)
			}

			s.ok("complete", `{"run_id": %q, "attempt": 1, "matched_count": 7, "unmatched_left_count": 2, "unmatched_right_count": 1, "output_paths": {"matched": "/x/matched.parquet"}}`, id)
			s.ok("complete", `{"run_id": %q, "attempt": 1, "matched_count": 9}`, id)
			s.ok("error", `{"run_id": %q, "error": "too late"}`, id)
			s.ok("progress", `{"run_id": %q, "stage": "evidence", "progress": 1}`, id)
			run := s.run(id)
			if run.Status != server.RunCompleted || run.MatchedCount != 7 || run.UnmatchedLeftCount != 2 || run.UnmatchedRightCount != 1 ||
				deref(run.OutputMatched) != "/x/matched.parquet" || run.ErrorMessage != nil {
				t.Errorf("%+v", run)
			}
			_, events := s.follow(id, "", nil)
			checkEvents(t, events, server.RunCompleted)

			failed := s.start(map[string]any{"recipe": inline(data(t, 10))})
			s.ok("error", `{"run_id": %q, "error": "the disk is full", "stage": "evidence"}`, failed) // as the predecessor's send it
			if run := s.run(failed); run.Status != server.RunFailed || deref(run.ErrorMessage) != "the disk is full" || run.Error.Code != "engine" {
				t.Errorf("%+v", run)
			}
		})
	}
}

// TestStorm: many callbacks of many runs at once are all answered, few are
// written, and the ends are right.
func TestStorm(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{})
	const runs, calls = 8, 200
	ids := make([]string, runs)
	for i := range ids {
		ids[i] = s.start(map[string]any{"recipe": inline(data(t, 10))})
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for _, id := range ids {
		for worker := range 4 {
			wg.Go(func() {
				for n := range calls / 4 {
					s.ok("progress", `{"run_id": %q, "attempt": 1, "stage": "staging", "progress": %f}`, id, float64(n*4+worker)/calls)
				}
			})
		}
	}
	wg.Wait()
	writes := int64(time.Since(begin)/(500*time.Millisecond)) + 2
	for _, id := range ids {
		s.ok("complete", `{"run_id": %q, "attempt": 1, "matched_count": 3}`, id)
	}
	for _, id := range ids {
		_, events := s.follow(id, "", nil)
		checkEvents(t, events, server.RunCompleted)
		if n := int64(len(events)); n > writes+3 { // pending, the first and the last beside the progress
			t.Errorf("%d events of %d callbacks, more than %d", n, calls, writes+3)
		}
	}
}
