package callback_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kalla"
	"kalla/internal/compute/callback"
	"kalla/internal/job"
)

// told is a progress callback that arrived.
type told struct {
	at   time.Duration // since the test began
	key  string
	body job.Progress
}

// pipes is a listener without a network, so that its time is the bubble's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// inBubble runs a test with a client and a receiver whose time is the test's
// own. The receiver notes what arrives, then answers by answer.
func inBubble(t *testing.T, answer http.HandlerFunc, test func(t *testing.T, c *callback.Client, arrived func() []told)) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var all []told
		var flying atomic.Int32
		start := time.Now()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if flying.Add(1) > 1 {
				t.Error("two requests at once")
			}
			defer flying.Add(-1)
			var body job.Progress
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			mu.Lock()
			all = append(all, told{time.Since(start), r.Header.Get("Idempotency-Key"), body})
			mu.Unlock()
			answer(w, r)
		})}
		l := pipes{make(chan net.Conn), make(chan struct{})}
		go func() { _ = srv.Serve(l) }()
		c := client(t, callback.Config{})
		c.DialWith(func(ctx context.Context, _, _ string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case l.conns <- there:
				return here, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		test(t, c, func() []told {
			mu.Lock()
			defer mu.Unlock()
			return append([]told(nil), all...)
		})
		c.Close()
		_ = srv.Close()
	})
}

func ok(http.ResponseWriter, *http.Request) {}

const base = "http://localhost:3000/api/worker"

func at(stage kalla.Stage, fraction float64) job.Progress {
	return job.Progress{Stage: stage, Progress: fraction}
}

func TestProgressIsCoalesced(t *testing.T) {
	inBubble(t, ok, func(t *testing.T, c *callback.Client, arrived func() []told) {
		p := callback.Start(t.Context(), c, base, "r1", 3)
		for i := range 200 { // two seconds
			p.Send(at(kalla.StageStaging, float64(i)/200))
			time.Sleep(10 * time.Millisecond)
		}
		p.Send(at(kalla.StageMatching, 0.1))
		synctest.Wait()
		all := arrived()
		if n := len(all); n < 8 || n > 10 {
			t.Errorf("%d arrived in two seconds, want 4 a second and the new stage", n)
		}
		keys := map[string]bool{}
		for i, x := range all {
			if x.body.RunID != "r1" || x.body.Attempt != 3 || keys[x.key] {
				t.Errorf("got %+v", x)
			}
			keys[x.key] = true
			if i == 0 {
				continue
			}
			if gap := x.at - all[i-1].at; gap < 250*time.Millisecond && x.body.Stage == all[i-1].body.Stage {
				t.Errorf("a gap of %s", gap)
			}
			if x.body.Stage == all[i-1].body.Stage && x.body.Progress <= all[i-1].body.Progress {
				t.Errorf("%g after %g", x.body.Progress, all[i-1].body.Progress)
			}
		}
		if last := all[len(all)-1]; last.body.Stage != kalla.StageMatching || last.at != 2*time.Second {
			t.Errorf("the new stage was told at %s: %+v", last.at, last.body)
		}
		// The newest arrives though nothing follows it.
		p.Send(at(kalla.StageMatching, 0.7))
		time.Sleep(time.Second)
		if last := arrived()[len(arrived())-1]; last.body.Progress != 0.7 {
			t.Errorf("last is %+v", last.body)
		}
		p.Close()
	})
}

func TestProgressNeverGoesBack(t *testing.T) {
	inBubble(t, ok, func(t *testing.T, c *callback.Client, arrived func() []told) {
		p := callback.Start(t.Context(), c, base, "r1", 0)
		for _, x := range []job.Progress{at(kalla.StageStaging, 0.5), at(kalla.StageStaging, 0.2), at(kalla.StageMatching, -1), at(kalla.StageStaging, 0.9),
			at("", 1), at("other", 1), at(kalla.StageEvidence, 7), at(kalla.StageMatching, 1)} {
			p.Send(x)
			time.Sleep(time.Second)
		}
		p.Close()
		want := []job.Progress{at(kalla.StageStaging, 0.5), at(kalla.StageStaging, 0.5), at(kalla.StageMatching, 0), at(kalla.StageEvidence, 1)}
		all := arrived()
		if len(all) != len(want) {
			t.Fatalf("got %+v", all)
		}
		for i, w := range want {
			if b := all[i].body; b.Stage != w.Stage || b.Progress != w.Progress {
				t.Errorf("%d: got %+v, want %+v", i, b, w)
			}
		}
	})
}

func TestProgressToASlowReceiver(t *testing.T) {
	slow := func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) }
	inBubble(t, slow, func(t *testing.T, c *callback.Client, arrived func() []told) {
		start := time.Now()
		p := callback.Start(t.Context(), c, base, "r1", 0)
		for i, s := range []kalla.Stage{kalla.StageStaging, kalla.StageMatching, kalla.StageEvidence} {
			p.Send(at(s, float64(i)/10))
			synctest.Wait()
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("sending took %s", d)
		}
		time.Sleep(4 * time.Second) // staging was told, evidence is under way
		p.Send(at(kalla.StageEvidence, 1))
		p.Close()
		p.Close()
		if d := time.Since(start); d != 6*time.Second {
			t.Errorf("closed after %s, want when the second had its answer", d)
		}
		p.Send(at(kalla.StageEvidence, 1))
		time.Sleep(time.Minute)
		if all := arrived(); len(all) != 2 || all[1].body.Progress != 0.2 {
			t.Errorf("got %+v", all)
		}
		// A stage that could be told at once is not after Close.
		p = callback.Start(t.Context(), c, base, "r2", 0)
		p.Send(at(kalla.StageStaging, 1))
		synctest.Wait()
		p.Send(at(kalla.StageMatching, 0))
		p.Close()
		if all := arrived(); len(all) != 3 {
			t.Errorf("got %+v", all[3:])
		}
	})
}

func TestProgressToAFailingReceiver(t *testing.T) {
	for name, status := range map[string]int{"down": 503, "refusing": 404} {
		t.Run(name, func(t *testing.T) {
			var good atomic.Bool
			answer := func(w http.ResponseWriter, _ *http.Request) {
				if !good.Load() {
					w.WriteHeader(status)
				}
			}
			inBubble(t, answer, func(t *testing.T, c *callback.Client, arrived func() []told) {
				p := callback.Start(t.Context(), c, base, "r1", 0)
				for i := range 600 { // a minute, every twenty seconds another stage
					p.Send(at([]kalla.Stage{kalla.StageStaging, kalla.StageMatching, kalla.StageEvidence}[i/200], float64(i%200)/200))
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(50 * time.Millisecond)
				all := arrived()
				if n := len(all); n < 6 || n > 12 {
					t.Errorf("%d requests in a minute of failing", n)
				}
				good.Store(true)
				p.Send(at(kalla.StageEvidence, 1))
				time.Sleep(11 * time.Second)
				p.Send(at(kalla.StageEvidence, 1))
				time.Sleep(time.Second)
				if more := arrived()[len(all):]; len(more) != 2 || more[0].body.Progress != 1 {
					t.Errorf("after it came back: %+v", more)
				}
				p.Close()
			})
		})
	}
}

func TestProgressWaitsAsAsked(t *testing.T) {
	busy := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
	}
	inBubble(t, busy, func(t *testing.T, c *callback.Client, arrived func() []told) {
		p := callback.Start(t.Context(), c, base, "r1", 0)
		for range 130 {
			p.Send(at(kalla.StageStaging, 0.1))
			time.Sleep(time.Second)
		}
		p.Close()
		if all := arrived(); len(all) != 3 || all[1].at != time.Minute {
			t.Errorf("got %+v", all)
		}
	})
}

func TestProgressCancelled(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	inBubble(t, hang, func(t *testing.T, c *callback.Client, _ func() []told) {
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		p := callback.Start(ctx, c, base, "r1", 0)
		p.Send(at(kalla.StageStaging, 0.1))
		synctest.Wait()
		cancel()
		p.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("ended after %s", d)
		}
	})
}

func TestProgressRowsPerSecond(t *testing.T) {
	inBubble(t, ok, func(t *testing.T, c *callback.Client, arrived func() []told) {
		p := callback.Start(t.Context(), c, base, "r1", 0)
		send := func(source string, rows int64) {
			p.Send(job.Progress{Stage: kalla.StageStaging, Source: source, Rows: rows})
			time.Sleep(500 * time.Millisecond)
		}
		for _, rows := range []int64{1000, 26_000, 76_000} {
			send("invoices", rows)
			send("payments", rows/10)
		}
		send("invoices", 5) // another step begins anew
		send("invoices", 505)
		p.Send(job.Progress{Stage: kalla.StageMatching, Source: "invoices", Rows: 9000})
		time.Sleep(time.Second)
		p.Close()
		want := []int64{-1, -1, 25_000, 2_500, 50_000, 5_000, -1, 1_000, -1}
		for i, x := range arrived() {
			got := int64(-1)
			if x.body.RowsPerSecond != nil {
				got = *x.body.RowsPerSecond
			}
			if i >= len(want) || got != want[i] {
				t.Errorf("%d: %d rows per second", i, got)
			}
		}
		if n := len(arrived()); n != len(want) {
			t.Errorf("%d arrived", n)
		}
	})
}

// Over a real network: complete comes after all progress, and nothing after Close.
func TestProgressThenComplete(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	s := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
	})
	c := client(t, callback.Config{})
	p := callback.Start(t.Context(), c, s.URL, "r1", 0)
	for _, stage := range []kalla.Stage{kalla.StageStaging, kalla.StageMatching, kalla.StageEvidence} {
		for i := range 1000 {
			p.Send(at(stage, float64(i)/1000))
		}
	}
	p.Close()
	if err := c.Post(t.Context(), callback.URL(s.URL, "complete"), "r1.0.complete", job.Complete{RunID: "r1"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(paths) == 0 || len(paths) > 4 || paths[len(paths)-1] != "/complete" {
		t.Errorf("got %v", paths)
	}
}
