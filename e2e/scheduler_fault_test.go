//go:build unix

package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"kalla"
	"kalla/internal/demo"
	"kalla/internal/evidence"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/testenv"
)

// TestSchedulerReceiverDown: ends of jobs reach a receiver that refused, failed
// and was slow, once it is well, and jobs of others do not wait for it.
func TestSchedulerReceiverDown(t *testing.T) {
	data := generate(t, 200, demo.OnePass)
	ill, well := listen(t), listen(t)
	dir := t.TempDir()
	d := launch(t, dir, nil, "--max-jobs", "2").serves(t)
	submit := func(runID string, r *receiver) {
		d.submit(t, data.request(runID, r.url, filepath.Join(dir, "out", runID)))
	}
	const jobs = 4
	ill.close()
	for i := range jobs {
		submit(fmt.Sprint("ill-", i), ill)
		submit(fmt.Sprint("well-", i), well)
	}
	for i := range jobs {
		data.check(t, well.taken(t, fmt.Sprint("well-", i)).complete(t))
		if j := d.ends(t, fmt.Sprint("ill-", i)); j.State != job.Completed {
			t.Errorf("a job whose receiver is down is %s", j.State)
		}
	}
	if runs := ill.runs(); len(runs) > 0 {
		t.Fatalf("a closed receiver has heard of %v", runs)
	}

	var failures atomic.Int32
	ill.reopen(t, func(kind string, _ *http.Request) int {
		if kind != "progress" && failures.Add(1) <= jobs {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	ill.until(t, "each end has been refused or taken", func() bool { return int(failures.Load()) >= jobs })

	ill.close()
	release := make(chan struct{})
	ill.reopen(t, func(_ string, r *http.Request) int {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return http.StatusOK
	})
	submit("slow", ill)
	submit("swift", well)
	data.check(t, well.taken(t, "swift").complete(t)) // although the other hangs
	close(release)
	for _, runID := range []string{"ill-0", "ill-1", "ill-2", "ill-3", "slow"} {
		data.check(t, ill.taken(t, runID).complete(t))
		ill.once(t, runID)
	}
}

// TestSchedulerDiskFull: a job whose evidence does not fit fails as such, leaves
// nothing, and the next job finds a scheduler that is well.
func TestSchedulerDiskFull(t *testing.T) {
	testenv.SmallDisk(t, 256<<10, func(t *testing.T, small string) {
		data, r := generate(t, 20_000, demo.OnePass), listen(t)
		dir := t.TempDir()
		d := launch(t, dir, nil).serves(t)
		d.submit(t, data.request("large", r.url, filepath.Join(small, "large")))
		if f := r.taken(t, "large").failure(t); f.Code != string(kalla.CodeLimit) || f.Stage != kalla.StageEvidence || f.Hint == "" {
			t.Errorf("it failed as %+v", f)
		}
		if got := names(t, small); len(got) > 0 {
			t.Errorf("it left %v", got)
		}
		out := filepath.Join(dir, "out")
		d.submit(t, data.request("next", r.url, out))
		data.check(t, r.taken(t, "next").complete(t))
		verifier(t)(out, nil)
	})
}

// TestSchedulerSourceDies: a database that ends the connection while it is read
// fails that job, and not the next one of the same source.
func TestSchedulerSourceDies(t *testing.T) {
	pg := testenv.Postgres(t)
	address := pg.Database(t,
		"CREATE TABLE l AS SELECT g AS id, g * 1.25 AS amount, repeat('x', 100) AS note FROM generate_series(1, 300000) g",
		"CREATE TABLE r AS SELECT g AS ref, g * 1.25 AS paid FROM generate_series(2, 300001) g")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.NewProxy(t, u.Host)
	u.Host = net.JoinHostPort(proxy.Host, proxy.Port)
	table := func(name string) string {
		v := *u
		q := v.Query()
		q.Set("table", name)
		v.RawQuery = q.Encode()
		return v.String()
	}
	dir := t.TempDir()
	request := func(runID string, r *receiver) job.Request {
		return job.Request{RunID: runID, CallbackURL: r.url, OutputPath: filepath.Join(dir, "out", runID),
			MatchSQL:    "SELECT l.id, r.ref FROM left_src l JOIN right_src r ON l.id = r.ref AND l.amount = r.paid",
			Sources:     []job.Source{{Alias: "left_src", URI: table("l")}, {Alias: "right_src", URI: table("r")}},
			PrimaryKeys: map[string][]string{"left_src": {"id"}, "right_src": {"ref"}}}
	}
	r := listen(t)
	d := launch(t, dir, []string{"KALLA_DUCKDB_EXTENSIONS=" + testenv.DuckDBExtensions(t)}).serves(t)

	proxy.CutDownloads(1 << 20) // of some 40 MB
	d.submit(t, request("broken", r))
	f := r.taken(t, "broken").failure(t)
	if f.Code != string(kalla.CodeSource) || f.Stage != kalla.StageStaging || f.Hint == "" || strings.Contains(f.Error+f.Hint, pg.Password) {
		t.Errorf("it failed as %+v", f)
	}
	proxy.CutDownloads(0)

	// The server ends the backend that reads.
	admin := pg.Open(t, pg.AdminURL)
	d.submit(t, request("ended", r))
	const reads = "FROM pg_stat_activity WHERE datname = $1 AND state = 'active' AND query LIKE 'COPY%'"
	for limit := time.Now().Add(patience); ; {
		var ended int
		if err := admin.QueryRow("SELECT count(CASE WHEN pg_terminate_backend(pid) THEN 1 END) "+reads, strings.TrimPrefix(u.Path, "/")).Scan(&ended); err != nil {
			t.Fatal(err)
		}
		if ended > 0 {
			break
		}
		if j, err := d.Get(t.Context(), "ended"); err != nil || j.State.Final() || time.Now().After(limit) {
			t.Fatalf("no backend was seen to read; the job is %+v (%v)", j, err)
		}
	}
	if f := r.taken(t, "ended").failure(t); f.Code != string(kalla.CodeSource) || f.Stage != kalla.StageStaging {
		t.Errorf("it failed as %+v", f)
	}

	d.submit(t, request("well", r))
	if c := r.taken(t, "well").complete(t); c.MatchedCount != 299_999 || c.UnmatchedLeftCount != 1 || c.UnmatchedRightCount != 1 {
		t.Errorf("the next job found %+v", c)
	}
	if got := names(t, filepath.Join(dir, "out")); len(got) != 1 || got[0] != "well" {
		t.Errorf("there is %v", got)
	}
}

// TestSchedulerSlowClients: who sends half a request holds his own connection
// and nothing else.
func TestSchedulerSlowClients(t *testing.T) {
	data, r := generate(t, 200, demo.OnePass), listen(t)
	dir := t.TempDir()
	d := launch(t, dir, nil).serves(t)
	for i := range 200 {
		c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		part := "POST /api/jobs HTTP/1.1\r\nHost: k\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
		if i%2 == 0 { // the other half ends within the header
			part += "\r\n{\"run_id\":"
		}
		if _, err := io.WriteString(c, part); err != nil {
			t.Fatal(err)
		}
	}
	d.submit(t, data.request("whole", r.url, filepath.Join(dir, "out")))
	data.check(t, r.taken(t, "whole").complete(t))
	if code := d.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("it ended with %d although it was only talked to by halves", code)
	}
}

// TestSchedulerHandsBack: SIGTERM gives what runs the time of --grace, then it
// waits for the next start, which runs it to its end.
func TestSchedulerHandsBack(t *testing.T) {
	data, r := generate(t, 100_000, demo.OnePass), listen(t)
	dir := t.TempDir()
	d := launch(t, dir, nil, "--max-jobs", "2", "--grace", "0s").serves(t)
	runs := []string{"a", "b", "c"} // the last one waits
	for _, runID := range runs {
		d.submit(t, data.request(runID, r.url, filepath.Join(dir, "out", runID)))
	}
	r.until(t, "a job is under way", func() bool { return len(r.of("a")) > 0 })
	if code := d.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	for _, runID := range runs {
		for _, c := range r.of(runID) {
			if c.kind == "error" {
				t.Errorf("%s is said to have failed: %s", runID, c.body)
			}
		}
	}
	if got := names(t, filepath.Join(dir, "data", "temp")); len(got) > 0 {
		t.Errorf("it left %v", got)
	}
	d = launch(t, dir, nil, "--max-jobs", "2").serves(t)
	verify := verifier(t)
	for _, runID := range runs {
		data.check(t, r.taken(t, runID).complete(t))
		r.once(t, runID)
		verify(filepath.Join(dir, "out", runID), nil)
	}
	if code := d.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// TestSchedulerKilledWhileUploading: a kill between the parts of an upload
// leaves no evidence; the next start leaves all of it, and nothing else.
func TestSchedulerKilledWhileUploading(t *testing.T) {
	store := testenv.S3(t)
	bucket := store.Bucket(t)
	host := strings.TrimPrefix(store.Endpoint, "http://")
	proxy := testenv.NewProxy(t, host)
	env := map[string]string{"KALLA_SECRET_ID": store.AccessKey, "KALLA_SECRET_KEY": store.SecretKey}
	place := func(host, prefix string) string {
		return "s3://" + bucket + "/" + prefix + "?endpoint=" + host + "&use_ssl=false&url_style=path&region=" + store.Region + "&key_id=${KALLA_SECRET_ID}&secret=${KALLA_SECRET_KEY}"
	}
	var pairs []string
	for name, value := range env {
		pairs = append(pairs, name+"="+value)
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }

	data, r := generate(t, 300_000, demo.OnePass), listen(t) // a file of more than one part
	dir := t.TempDir()
	out := place(net.JoinHostPort(proxy.Host, proxy.Port), "runs/u")
	d := launch(t, dir, pairs).serves(t)
	proxy.Watch(func(total int64) {
		if total > 12<<20 {
			_ = d.cmd.Process.Kill()
		}
	})
	d.submit(t, data.request("u", r.url, out))
	select {
	case <-d.done:
	case <-time.After(patience):
		t.Fatal("it was not killed: little was uploaded")
	}
	left, err := objects.Open(out, lookup)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	if found, err := left.List(t.Context()); err != nil || found[evidence.ManifestFile] != 0 {
		t.Fatalf("after the kill there is %v (%v)", found, err)
	}
	proxy.Watch(func(int64) {})

	launch(t, dir, pairs).serves(t)
	data.check(t, r.taken(t, "u").complete(t))
	r.once(t, "u")
	verifier(t)(out, lookup)
	found, err := left.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name := range found {
		if name != evidence.ManifestFile && name != evidence.SummaryFile && !strings.HasSuffix(name, ".parquet") {
			t.Errorf("there is %s", name)
		}
	}
	if found[evidence.MatchedFile] <= 16<<20 {
		t.Errorf("the largest file has %d bytes, which is one part", found[evidence.MatchedFile])
	}
	for _, root := range []string{filepath.Join(dir, "data", "temp"), dir} {
		for _, name := range names(t, root) {
			if name != "data" {
				t.Errorf("%s holds %s", root, name)
			}
		}
	}
	if parts := uploads(t, store, bucket); len(parts) > 0 {
		t.Errorf("uploads were left in the middle: %v", parts)
	}
}

// uploads lists the uploads of a bucket that are neither finished nor aborted.
func uploads(t *testing.T, store *testenv.S3Server, bucket string) (keys []string) {
	t.Helper()
	client := s3.New(s3.Options{BaseEndpoint: &store.Endpoint, Region: store.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, "")})
	list, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range list.Uploads {
		keys = append(keys, *u.Key)
	}
	return keys
}
