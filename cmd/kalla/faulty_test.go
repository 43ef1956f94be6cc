//go:build unix

package main

import (
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla/internal/demo"
	"kalla/internal/testenv"
)

const workerToken = "0123456789abcdef0123456789abcdef"

// faults are two apps on one database and a scheduler, any of which is killed.
type faults struct {
	t         *testing.T
	dir       string
	pg        *testenv.OwnPG
	apps      [2]*daemon
	scheduler *daemon
	cookies   http.CookieJar
	truth     demo.Truth
	body      []byte // asks for a run

	stop chan struct{} // closed when no more runs are to be started
	work sync.WaitGroup
	mu   sync.Mutex
	runs map[string]*submitted // by id
}

// submitted is a run whose POST was answered.
type submitted struct {
	key     string
	stopped bool // somebody asked for its end
}

// daemon is a program that is started again when it was killed.
type daemon struct {
	*program
	t    *testing.T
	name string
	dir  string
	says string
	base string
	env  []string
	args []string
}

// start starts it until it serves: as a service manager does, since one without its database gives up.
func (d *daemon) start() {
	d.t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		d.program = start(d.t, d.name, d.dir, d.env, d.args...)
		for {
			if strings.Contains(d.stderr.String(), d.says) {
				return
			}
			select {
			case <-d.stderr.More:
				continue
			case <-time.After(patience):
				d.t.Fatalf("%s does not start", d.name)
			case <-d.done:
			}
			break
		}
		if out := d.stderr.String(); !strings.Contains(out, "PostgreSQL does not answer") {
			d.t.Fatalf("%s ended by itself: %s", d.name, out)
		}
	}
	d.t.Fatalf("%s does not start", d.name)
}

// faulty starts everything, with a data set of so many rows.
func faulty(t *testing.T, rows int64, lease string) *faults {
	t.Helper()
	f := &faults{t: t, dir: t.TempDir(), pg: testenv.OwnPostgres(t), stop: make(chan struct{}), runs: map[string]*submitted{}}
	files := t.TempDir()
	var err error
	if f.truth, err = demo.Generate(t.Context(), demo.Config{Seed: 11, Rows: rows}, files); err != nil {
		t.Fatal(err)
	}
	if f.body, err = json.Marshal(map[string]any{"recipe": map[string]string{"document": inPlace(t, files)}}); err != nil {
		t.Fatal(err)
	}
	if f.cookies, err = cookiejar.New(nil); err != nil { // a session is of all apps of the database
		t.Fatal(err)
	}
	const token = "KALLA_WORKER_TOKEN=" + workerToken
	port := freePort(t)
	f.scheduler = &daemon{t: t, name: "kallad", dir: f.dir, says: "scheduler started", base: "http://localhost:" + port, env: []string{token},
		args: []string{"scheduler", "--http-port", port, "--data-dir", "scheduler", "--max-jobs", "2"}}
	f.scheduler.start()
	env := []string{token, "DATABASE_URL=" + f.pg.Database(t), "WORKER_URL=" + f.scheduler.base, "KALLA_LEASE=" + lease,
		"KALLA_SECRET_KEY=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "KALLA_ADMIN_EMAIL=maria@example.com", "KALLA_ADMIN_PASSWORD=" + password}
	for i := range f.apps {
		port := freePort(t)
		f.apps[i] = &daemon{t: t, name: "kalla", dir: f.dir, says: "app started", base: "http://localhost:" + port, env: env,
			args: []string{"serve", "--port", port, "--data-dir", "data"}}
		f.apps[i].start()
	}
	f.at(0).call(http.MethodPost, "/api/auth/sign-in", http.StatusOK, map[string]string{"email": "maria@example.com", "password": password}, nil)
	return f
}

// at is a browser, signed in, at one of the apps.
func (f *faults) at(app int) *browser {
	b := newBrowser(f.t, f.apps[app].base)
	b.http.Jar = f.cookies
	return b
}

// reply is an answer of an app.
type reply struct {
	*http.Response
	text []byte
}

// try asks one app once.
func (f *faults) try(app int, method, path string, header http.Header, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.apps[app].base+path, strings.NewReader(string(body)))
	if err != nil {
		return reply{}, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Jar: f.cookies, Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp, text}, err
}

// ask asks the apps in turn, as a client that knows both does, until one
// answers what it would to anybody again. An answer that is a fault of the
// app's own fails the test.
func (f *faults) ask(method, path string, header http.Header, body []byte) (reply, bool) {
	for n, limit := rand.IntN(2), time.Now().Add(patience); time.Now().Before(limit); n++ {
		r, err := f.try(n%2, method, path, header, body)
		switch {
		case f.t.Context().Err() != nil:
			return reply{}, false
		case err != nil: // it was killed
		case r.StatusCode == http.StatusServiceUnavailable, r.StatusCode == http.StatusConflict && r.Header.Get("Retry-After") != "":
			if r.Header.Get("Content-Type") != "application/problem+json" {
				f.t.Errorf("%s %s: %s as %s: %s", method, path, r.Status, r.Header.Get("Content-Type"), r.text)
			}
		case r.StatusCode >= http.StatusInternalServerError:
			f.t.Errorf("%s %s: %s: %s", method, path, r.Status, r.text)
			return r, false
		default:
			return r, true
		}
		time.Sleep(50 * time.Millisecond)
	}
	f.t.Errorf("%s %s: no app answers", method, path)
	return reply{}, false
}

// read asks for an object until it is answered.
func (f *faults) read(path string, out any) bool {
	r, ok := f.ask(http.MethodGet, path, nil, nil)
	if !ok {
		return false
	}
	if err := json.Unmarshal(r.text, out); err != nil || r.StatusCode != http.StatusOK {
		f.t.Errorf("GET %s: %s: %s (%v)", path, r.Status, r.text, err)
		return false
	}
	return true
}
