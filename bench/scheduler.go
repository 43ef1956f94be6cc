package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kalla/internal/demo"
	"kalla/internal/job"
	"kalla/internal/recipe"
)

// scheduler is a started kallad and somebody who listens for what it reports.
type scheduler struct {
	process  *exec.Cmd
	client   *job.Client
	receiver *httptest.Server
	ended    chan ending
	dir      string
	runs     int
	nodes    *nodes // of a cluster, or nil
}

// ending is the last callback of a job.
type ending struct {
	kind string
	at   time.Time
	body []byte
}

// startService starts what the jobs of a contender run on: a scheduler, and a cluster if it is for one.
func (b *bench) startService(ctx context.Context, c contender, env []string) (err error) {
	if !c.cluster {
		b.scheduler, err = b.startScheduler(ctx, env)
		return err
	}
	n, err := b.prepareNodes(ctx)
	if err != nil {
		return err
	}
	n.env = append(n.env, env...)
	if b.scheduler, err = b.startScheduler(ctx, n.env, n.flags...); err != nil {
		n.stop()
		return err
	}
	b.scheduler.nodes = n
	if err := n.join(ctx, b, b.scheduler); err != nil {
		b.scheduler.stop()
		b.scheduler = nil
	}
	return err
}

// startScheduler starts kallad as a process of its own with an empty data folder.
func (b *bench) startScheduler(ctx context.Context, env []string, flags ...string) (*scheduler, error) {
	s := &scheduler{ended: make(chan ending, 1), dir: filepath.Join(b.dir, "scheduler")}
	if err := os.RemoveAll(s.dir); err != nil {
		return nil, err
	}
	s.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body json.RawMessage
		now := time.Now()
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if kind := filepath.Base(r.URL.Path); kind != "progress" {
			s.ended <- ending{kind, now, body}
		}
	}))
	s.process = exec.CommandContext(ctx, filepath.Join(filepath.Dir(b.kalla), "kallad"), append([]string{"scheduler", "--http-port", "0", "--data-dir", s.dir,
		"--allow-env", "KALLA_BENCH_LEFT", "--allow-env", "KALLA_BENCH_RIGHT"}, flags...)...)
	s.process.Env = append(append(os.Environ(), env...), "KALLA_LOG_FORMAT=json")
	s.process.Cancel = func() error { return s.process.Process.Signal(syscall.SIGTERM) }
	log, err := s.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	var first struct{ URL string }
	for first.URL == "" && lines.Scan() {
		_ = json.Unmarshal(lines.Bytes(), &first) // lines before it may be anything
	}
	if first.URL == "" {
		s.stop()
		return nil, fmt.Errorf("kallad did not say where it listens")
	}
	go func() { // else it would block on a full pipe
		for lines.Scan() {
		}
	}()
	if s.client, err = job.NewClient(first.URL, ""); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// stop ends the process.
func (s *scheduler) stop() {
	if s.nodes != nil { // executors first: they finish what they have
		s.nodes.stop()
	}
	_ = s.process.Process.Signal(syscall.SIGTERM)
	_ = s.process.Wait()
	s.receiver.Close()
	_ = os.RemoveAll(s.dir)
}

// request is the job of a contender: the data set's recipe, or the same rules
// as one query, as a client of the predecessor sends them.
func (b *bench) request(c contender, runID, callbackURL string) (job.Request, error) {
	data := filepath.Join(b.dir, c.data.name)
	left, right := filepath.Join(data, demo.InvoicesFile), filepath.Join(data, demo.PaymentsFile)
	if c.postgres {
		left, right = "${KALLA_BENCH_LEFT}", "${KALLA_BENCH_RIGHT}"
	}
	req := job.Request{RunID: runID, CallbackURL: callbackURL, OutputPath: b.out(c)}
	if c.cluster {
		req.Engine = "trino"
	}
	if c.query {
		req.MatchSQL = `SELECT l.invoice_id, r.payment_id FROM left_src l JOIN right_src r ON l.invoice_id = r.reference_number
			AND tolerance_match(l.amount, r.paid_amount, 0.02) AND r.payment_date BETWEEN l.invoice_date AND l.invoice_date + 60`
		req.Sources = []job.Source{{Alias: "left_src", URI: left}, {Alias: "right_src", URI: right}}
		req.PrimaryKeys = map[string][]string{"left_src": {"invoice_id"}, "right_src": {"payment_id"}}
		return req, nil
	}
	text, err := os.ReadFile(filepath.Join(data, demo.RecipeFile))
	if err != nil {
		return req, err
	}
	doc, err := recipe.Parse(text, demo.RecipeFile)
	if err != nil {
		return req, err
	}
	r, err := doc.Bind(nil)
	if err != nil {
		return req, err
	}
	r.Sources.Left.URI, r.Sources.Right.URI = left, right
	req.Recipe, err = recipe.JSON(r)
	return req, err
}

// submit runs a contender as a job and takes the time from the request to the
// callback that says it is complete.
func (b *bench) submit(ctx context.Context, s *scheduler, c contender, truth demo.Truth) (sample, error) {
	if err := os.RemoveAll(b.out(c)); err != nil {
		return sample{}, err
	}
	s.runs++
	runID := c.name + "-" + strconv.Itoa(s.runs)
	req, err := b.request(c, runID, s.receiver.URL)
	if err != nil {
		return sample{}, err
	}
	cpuBefore := s.cpu()
	start := time.Now()
	if _, err := s.client.Submit(ctx, req); err != nil {
		return sample{}, err
	}
	select {
	case <-ctx.Done():
		return sample{}, ctx.Err()
	case end := <-s.ended:
		var complete job.Complete
		if end.kind != "complete" {
			return sample{}, fmt.Errorf("%s: %s: %s", c.name, end.kind, end.body)
		}
		if err := json.Unmarshal(end.body, &complete); err != nil {
			return sample{}, err
		}
		if complete.MatchedCount != truth.Pairs {
			return sample{}, fmt.Errorf("%s: found %d pairs, there are %d", c.name, complete.MatchedCount, truth.Pairs)
		}
		return sample{Wall: end.at.Sub(start).Seconds(), CPU: s.cpu() - cpuBefore}, nil
	}
}

// cpu is the processor time that the service has taken so far, with all nodes of its cluster.
func (s *scheduler) cpu() float64 {
	sum := cpuOfTree(s.process.Process.Pid)
	if s.nodes != nil {
		sum += s.nodes.cpu()
	}
	return sum
}

// cpuOfTree is cpuOf with the processes that it has started.
func cpuOfTree(pid int) float64 {
	sum := cpuOf(pid)
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well formed
	for _, file := range children {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for _, child := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				sum += cpuOfTree(n)
			}
		}
	}
	return sum
}

// cpuOf is the processor time that a process has taken so far, in seconds, or
// 0 where the system does not say.
func cpuOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	var user, system float64
	_, rest, _ := strings.Cut(string(text), ") ") // the name before it may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0
	}
	const ticks = 100 // a second, on every Linux
	return (user + system) / ticks
}
