package job_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/job"
)

// scripted answers requests in order with a status, headers and a body; the last one stays.
func scripted(t *testing.T, answers ...func(http.ResponseWriter)) (*job.Client, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[min(len(asked), len(answers)-1)](w)
		asked = append(asked, r.Method+" "+r.URL.EscapedPath()+" "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	c, err := job.NewClient(server.URL+"/", "sesame")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &asked
}

func says(status int, body string, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TestProblems: a problem comes out as the error that it was, faults and all.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter)
		code   kalla.Code
		status job.StatusError
		says   string
	}{
		{"faults", says(422, `{"detail":"the request has 1 fault","code":"recipe","errors":[{"location":"body.recipe.match","message":"is missing","hint":"add it"}]}`), kalla.CodeRecipe,
			job.StatusError{Status: 422, Faults: kalla.Faults{{Path: "recipe.match", Problem: "is missing", Hint: "add it"}}}, "1 fault"},
		{"full", says(429, `{"detail":"the queue is full","code":"limit"}`, "Retry-After", "7"), kalla.CodeLimit, job.StatusError{Status: 429, RetryAfter: 7 * time.Second}, "the queue is full"},
		{"no code", says(401, `{"detail":"the token is missing or wrong"}`), kalla.CodeUsage, job.StatusError{Status: 401}, "token"},
		{"no scheduler", says(502, "<html>Bad Gateway</html>"), kalla.CodeSource, job.StatusError{Status: 502}, "status 502 Bad Gateway"},
		{"a redirect, which would take the token along", says(302, "", "Location", "http://evil.example/"), kalla.CodeSource, job.StatusError{Status: 302}, "302"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, asked := scripted(t, c.answer)
			_, err := client.Submit(t.Context(), job.Request{RunID: "r"})
			status, ok := errors.AsType[*job.StatusError](err)
			if !ok || kalla.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v", err)
			}
			if status.Status != c.status.Status || status.RetryAfter != c.status.RetryAfter || !slices.Equal(status.Faults, c.status.Faults) {
				t.Errorf("got %+v", status)
			}
			if !slices.Equal(*asked, []string{"POST /api/jobs Bearer sesame"}) {
				t.Errorf("asked %v", *asked)
			}
		})
	}
	client, _ := scripted(t, says(200, "hello"))
	if _, err := client.Get(t.Context(), "r"); kalla.CodeOf(err) != kalla.CodeSource || !strings.Contains(err.Error(), "not that of a scheduler") {
		t.Errorf("got %v", err)
	}
}

// TestWait: a scheduler that is away for a moment, or asks for patience, is borne with; one that knows no such job is not.
func TestWait(t *testing.T) {
	client, asked := scripted(t, says(200, `{"run_id":"a/b","state":"queued"}`), says(503, `{"detail":"stopping"}`), says(429, `{"detail":"busy"}`),
		says(200, `{"run_id":"a/b","state":"running"}`), says(200, `{"run_id":"a/b","state":"completed"}`))
	var seen []job.State
	j, err := client.Wait(t.Context(), "a/b", func(j job.Job) { seen = append(seen, j.State) })
	if err != nil || j.State != job.Completed || !slices.Equal(seen, []job.State{job.Queued, job.Running, job.Completed}) {
		t.Errorf("got %+v (%v) after %v", j, err, seen)
	}
	if len(*asked) != 5 || (*asked)[0] != "GET /api/jobs/a%2Fb Bearer sesame" {
		t.Errorf("asked %v", *asked)
	}
	client, _ = scripted(t, says(404, `{"detail":"there is no job of this run_id"}`))
	if _, err := client.Wait(t.Context(), "x", nil); err == nil || !strings.Contains(err.Error(), "no job") {
		t.Errorf("got %v", err)
	}
	client, _ = scripted(t, says(200, `{"state":"running"}`))
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := client.Wait(ctx, "x", func(job.Job) { cancel() }); kalla.CodeOf(err) != kalla.CodeCanceled {
		t.Errorf("got %v", err)
	}
}

func TestNewClient(t *testing.T) {
	for _, bad := range []string{"", "localhost:9090", "ftp://h", "http://", "http://u:hush@h", "http://h?x=1", "http://h:port"} {
		if _, err := job.NewClient(bad, ""); kalla.CodeOf(err) != kalla.CodeUsage || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
