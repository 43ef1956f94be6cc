//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kalla/internal/demo"
	"kalla/internal/testenv"
)

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
			case <-d.stderr.more:
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
	const token = "KALLA_WORKER_TOKEN=0123456789abcdef0123456789abcdef"
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

// submit starts runs until it is told to stop. Some are asked for twice, some
// are cancelled, some are followed.
func (f *faults) submit(client int) {
	for n := 0; ; n++ {
		select {
		case <-f.stop:
			return
		case <-time.After(time.Duration(rand.IntN(300)) * time.Millisecond):
		}
		var open []runItem
		if !f.read("/api/runs?limit=5&status=pending,dispatched,staging,matching,evidence", &open) {
			return
		}
		if len(open) == 5 {
			continue
		}
		s := &submitted{key: fmt.Sprintf("client-%d-%d", client, n)}
		ids := map[string]bool{}
		for range 1 + n%2 {
			r, ok := f.ask(http.MethodPost, "/api/runs", http.Header{"Idempotency-Key": {s.key}}, f.body)
			var run runItem
			if err := json.Unmarshal(r.text, &run); !ok || err != nil || r.StatusCode != http.StatusOK {
				f.t.Errorf("%s is not taken: %s: %v", s.key, r.text, err)
				return
			}
			ids[run.RunID] = true
		}
		if len(ids) != 1 {
			f.t.Errorf("%s has the runs %v", s.key, slices.Collect(maps.Keys(ids)))
		}
		for id := range ids {
			f.mu.Lock()
			f.runs[id] = s
			f.mu.Unlock()
			switch n % 5 {
			case 1, 3:
				f.work.Go(func() { f.follow(id) })
			case 4:
				s.stopped = true
				time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
				f.ask(http.MethodPost, "/api/runs/"+id+"/cancel", nil, nil)
			}
		}
	}
}

// follow follows a run to its end, at whichever app there is.
func (f *faults) follow(id string) {
	var last int64
	final := false
	for n, limit := 0, time.Now().Add(2*patience); !final && time.Now().Before(limit); n++ {
		header := http.Header{}
		if last > 0 {
			header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
		}
		r, err := f.try(n%2, http.MethodGet, "/api/runs/"+id+"/events", header, nil)
		if err != nil && r.Response == nil || r.StatusCode == http.StatusServiceUnavailable {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if r.StatusCode != http.StatusOK {
			f.t.Errorf("following %s after %d: %s: %s", id, last, r.Status, r.text)
			return
		}
		for _, e := range eventsOf(r.text) { // a stream that broke has ended with a whole event, or with a part, which does not count
			if e.Seq != last+1 || final {
				f.t.Errorf("run %s: event %d after %d", id, e.Seq, last)
			}
			last, final = e.Seq, e.final()
		}
	}
	if !final {
		f.t.Errorf("run %s: the events end with %d", id, last)
	}
}

type runEvent struct {
	Seq    int64  `json:"seq"`
	Status string `json:"status"`
}

func (e runEvent) final() bool {
	return e.Status == "completed" || e.Status == "failed" || e.Status == "cancelled"
}

// eventsOf are the whole events of a stream.
func eventsOf(stream []byte) (events []runEvent) {
	for frame := range strings.SplitAfterSeq(string(stream), "\n\n") {
		_, data, ok := strings.Cut(frame, "\ndata: ")
		var e runEvent
		if ok && strings.HasSuffix(frame, "\n\n") && json.Unmarshal([]byte(data), &e) == nil {
			events = append(events, e)
		}
	}
	return events
}

// kill kills what there is at a moment, of four, and starts it again.
func (f *faults) kill(random *rand.Rand) {
	victims := random.Perm(4)[:1+random.IntN(5)/4] // now and then two at once
	for _, v := range victims {
		switch v {
		case 3:
			f.pg.Kill(f.t)
		default:
			_ = f.daemon(v).cmd.Process.Kill()
			<-f.daemon(v).done
		}
	}
	time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
	slices.Sort(victims)
	slices.Reverse(victims) // the database first: an app does not start without it
	for _, v := range victims {
		switch v {
		case 3:
			f.pg.Restart(f.t)
		default:
			d := f.daemon(v)
			if random.IntN(5) == 0 { // and once more, while it starts
				p := start(f.t, d.name, d.dir, d.env, d.args...)
				time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
				_ = p.cmd.Process.Kill()
				<-p.done
			}
			d.start()
		}
	}
}

func (f *faults) daemon(n int) *daemon { return []*daemon{f.apps[0], f.apps[1], f.scheduler}[n] }

// TestFaults kills the apps, the scheduler and PostgreSQL at random moments
// while clients start, follow and cancel runs: no run is lost, doubled or stuck.
// KALLA_FAULT_ROUNDS kills more often.
func TestFaults(t *testing.T) {
	rounds := 8
	if n, err := strconv.Atoi(os.Getenv("KALLA_FAULT_ROUNDS")); err == nil {
		rounds = n
	}
	f := faulty(t, 3000, "20s")
	for client := range 2 {
		f.work.Go(func() { f.submit(client) })
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		f.kill(random)
	}
	close(f.stop)
	last := time.Now()
	f.work.Wait()
	f.check()
	t.Logf("all had ended, and were looked at, %v after the last kill", time.Since(last).Round(time.Millisecond))
	for _, d := range []*daemon{f.apps[0], f.apps[1], f.scheduler} {
		if code := d.end(syscall.SIGTERM); code != 0 {
			t.Errorf("%s ended with %d", d.name, code)
		}
	}
	f.litter()
}

// check looks at every run.
func (f *faults) check() {
	t, b := f.t, f.at(0)
	ended := map[string]int{}
	attempts := map[int]int{}
	for id, s := range f.runs {
		r := b.ended(id)
		ended[r.Status]++
		attempts[r.Attempt]++
		switch {
		case r.Status == "completed" && (r.Matched != f.truth.Pairs || r.Left != f.truth.Left.Total-f.truth.Left.Matched || r.Right != f.truth.Right.Total-f.truth.Right.Matched),
			r.Status == "cancelled" && !s.stopped, r.Status == "failed":
			t.Errorf("run %s (%s) ended as %+v", id, s.key, r)
		}
		f.proved(b, id, r.Status)
	}
	var all []runItem
	for path := "/api/runs?limit=500"; path != ""; {
		resp := b.send(http.MethodGet, path, nil)
		var page []runItem
		if err := errors.Join(json.NewDecoder(resp.Body).Decode(&page), resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		path, _, _ = strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
	}
	if len(all) != len(f.runs) {
		t.Errorf("there are %d runs, and %d were asked for", len(all), len(f.runs))
	}
	var proof struct {
		Whole   bool
		Entries int
	}
	b.call(http.MethodGet, "/api/audit/proof", http.StatusOK, nil, &proof)
	if !proof.Whole {
		t.Error("the audit log is broken")
	}
	t.Logf("%d runs: %v, attempts %v; %d entries in the audit log", len(f.runs), ended, attempts, proof.Entries)
}

// proved checks the events, the audit log and the evidence of a run that has ended.
func (f *faults) proved(b *browser, id, status string) {
	t := f.t
	events := eventsOf(b.call(http.MethodGet, "/api/runs/"+id+"/events", http.StatusOK, nil, nil))
	for i, e := range events {
		if e.Seq != int64(i+1) || e.final() != (i == len(events)-1) {
			t.Errorf("run %s: event %d of %d is %+v", id, i+1, len(events), e)
		}
	}
	if len(events) == 0 || events[len(events)-1].Status != status {
		t.Errorf("run %s is %s, and its events are %v", id, status, events)
	}
	var log []struct{ Action string }
	b.call(http.MethodGet, "/api/audit?object_type=run&object_id="+id, http.StatusOK, nil, &log)
	var actions []string
	for _, e := range slices.Backward(log) {
		if e.Action != "run.request_cancel" {
			actions = append(actions, e.Action)
		}
	}
	end := map[string]string{"completed": "run.complete", "cancelled": "run.cancel", "failed": "run.fail"}[status]
	if !slices.Equal(actions, []string{"run.create", end}) {
		t.Errorf("run %s is %s, and the audit log has %v", id, status, actions)
	}
	if status != "completed" {
		return
	}
	var proof struct {
		Findings []json.RawMessage `json:"findings"`
		Checks   []json.RawMessage `json:"checks"`
	}
	b.call(http.MethodGet, "/api/runs/"+id+"/verify", http.StatusOK, nil, &proof)
	if len(proof.Findings) > 0 || len(proof.Checks) == 0 {
		t.Errorf("the evidence of run %s: %s", id, proof.Findings)
	}
}

// litter looks for what should not be there any more, once everything has stopped.
func (f *faults) litter() {
	var completed []string
	for id, s := range f.runs {
		if _, err := os.Stat(filepath.Join(f.dir, "data", "runs", id, "manifest.json")); err == nil {
			completed = append(completed, id)
		} else if !s.stopped {
			f.t.Errorf("run %s has no evidence: %v", id, err)
		}
	}
	slices.Sort(completed)
	for dir, want := range map[string][]string{
		"data/runs": completed, "scheduler": {"kallad.db", "kallad.lock"}, ".": {"data", "scheduler"},
	} {
		entries, err := os.ReadDir(filepath.Join(f.dir, dir))
		if err != nil {
			f.t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, want) {
			f.t.Errorf("%s holds %v, want %v", dir, got, want)
		}
	}
}
