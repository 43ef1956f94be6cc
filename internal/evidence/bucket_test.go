package evidence_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/testenv"
)

// bucket is a new bucket, reached through a proxy if there is one.
type bucket struct {
	server *testenv.S3Server
	name   string
}

func newBucket(t *testing.T) bucket {
	s := testenv.S3(t)
	return bucket{s, s.Bucket(t)}
}

func noEnv(string) (string, bool) { return "", false }

// proxy stands between the caller and the bucket.
func (b bucket) proxy(t *testing.T) *testenv.Proxy {
	return testenv.NewProxy(t, strings.TrimPrefix(b.server.Endpoint, "http://"))
}

// uri is that of a prefix; the endpoint is that of the proxy if there is one.
func (b bucket) uri(prefix string, p *testenv.Proxy) string {
	endpoint := b.server.Endpoint
	if p != nil {
		endpoint = "http://" + p.Host + ":" + p.Port
	}
	return "s3://" + b.name + "/" + prefix + "?endpoint=" + url.QueryEscape(endpoint) + "&region=" + b.server.Region +
		"&key_id=" + b.server.AccessKey + "&secret=" + url.PathEscape(b.server.SecretKey)
}

func locate(t *testing.T, uri, tempDir string) evidence.Location {
	t.Helper()
	l, err := evidence.Locate(uri, tempDir, noEnv)
	must(t, err)
	return l
}

// keys lists the bucket by other means than the code under test.
func (b bucket) keys(t *testing.T) []string {
	t.Helper()
	var list struct {
		Contents []struct{ Key string }
	}
	must(t, xml.Unmarshal(b.server.Get(t, b.name, ""), &list))
	var keys []string
	for _, c := range list.Contents {
		keys = append(keys, c.Key)
	}
	return keys
}

var fixtureKeys = []string{"breaks.parquet", "manifest.json", "matched.parquet", "summary.json", "unmatched_left.parquet", "unmatched_right.parquet"}

// publishTo writes the fixture to a location.
func publishTo(t *testing.T, d db, l evidence.Location, m evidence.Manifest) {
	t.Helper()
	w, err := evidence.Begin(t.Context(), l, m.RunID)
	must(t, err)
	defer w.Abort()
	for name, query := range fixture {
		copyTo(t, d, query, w.Path(name))
	}
	must(t, w.Publish(t.Context(), m))
}

func TestBucketRoundTrip(t *testing.T) {
	b, d, temp := newBucket(t), openDB(t), t.TempDir()
	l := locate(t, b.uri("runs/ä [1] x", nil), temp)
	const shown = "/runs/ä [1] x"
	if got := l.String(); got != "s3://"+b.name+shown {
		t.Errorf("location is %s", got)
	}
	if m, err := evidence.Find(t.Context(), l, "run-1"); m != nil || err != nil {
		t.Errorf("before the run there is %v, %v", m, err)
	}
	publishTo(t, d, l, fixtureManifest())
	var want []string
	for _, k := range fixtureKeys {
		want = append(want, "runs/ä [1] x/"+k)
	}
	if got := b.keys(t); !slices.Equal(got, want) {
		t.Errorf("the bucket holds %q, want %q", got, want)
	}
	m, err := evidence.Load(t.Context(), l)
	must(t, err)
	for name, f := range m.Files {
		stored := b.server.Get(t, b.name, "runs/ä [1] x/"+name)
		if sum := sha256.Sum256(stored); hex.EncodeToString(sum[:]) != f.SHA256 || int64(len(stored)) != f.Bytes {
			t.Errorf("%s: what is stored is not what the manifest says", name)
		}
	}
	for id, want := range map[string]bool{"run-1": true, "run-2": false} {
		if m, err := evidence.Find(t.Context(), l, id); err != nil || (m != nil) != want {
			t.Errorf("finding %s: %v, %v", id, m, err)
		}
	}
	report, err := evidence.Verify(t.Context(), l, d)
	must(t, err)
	if !report.OK() || len(report.Checks) < 8 {
		t.Errorf("%d checks find %v", len(report.Checks), report.Findings)
	}
	if _, err := evidence.Begin(t.Context(), l, "run-1"); code(err) != kalla.CodeUsage || !strings.Contains(err.Error(), "evidence is never overwritten") {
		t.Errorf("a second run: %v", err)
	}

	// What is exported is what a folder of the same evidence gives.
	folder := publish(t, d, fixtureManifest(), nil)
	for name, from := range map[string]evidence.Location{"bucket": l, "folder": at(folder)} {
		_, err := evidence.Export(t.Context(), from, filepath.Join(temp, name), evidence.ExportOptions{Format: evidence.CSV}, d)
		must(t, err)
	}
	exported, err := os.ReadDir(filepath.Join(temp, "folder"))
	must(t, err)
	if len(exported) != len(fixture) {
		t.Errorf("%d files are exported", len(exported))
	}
	for _, e := range exported {
		a, err := os.ReadFile(filepath.Join(temp, "bucket", e.Name()))
		must(t, err)
		b, err := os.ReadFile(filepath.Join(temp, "folder", e.Name()))
		must(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs:\n%s\n%s", e.Name(), a, b)
		}
	}

	// Somebody touches it.
	b.server.Put(t, b.name, "runs/ä [1] x/summary.json", []byte("{}"))
	b.server.Put(t, b.name, "runs/ä [1] x/notes.txt", []byte("mine"))
	report, err = evidence.Verify(t.Context(), l, d)
	must(t, err)
	for _, want := range []string{"summary.json: was changed: its size differs", "notes.txt: is not part of the evidence"} {
		if !strings.Contains(lines(report), want) {
			t.Errorf("no finding %q in:\n%s", want, lines(report))
		}
	}
	if got := entries(t, temp); got != "bucket folder" {
		t.Errorf("left in the temporary folder: %s", got)
	}
}

// large is the manifest of a run with one file of several parts, which it also writes.
func large(t *testing.T, w *evidence.Writer, size int) (evidence.Manifest, []byte) {
	t.Helper()
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(data)
	must(t, os.WriteFile(w.Path(evidence.MatchedFile), data, 0o600))
	must(t, os.WriteFile(w.Path(evidence.BreaksFile), []byte("small"), 0o600))
	return evidence.Manifest{RunID: "big", Files: map[string]evidence.File{evidence.MatchedFile: {}, evidence.BreaksFile: {}}}, data
}

func TestBucketLargeFile(t *testing.T) {
	b := newBucket(t)
	w, err := evidence.Begin(t.Context(), locate(t, b.uri("r", nil), t.TempDir()), "big")
	must(t, err)
	defer w.Abort()
	m, data := large(t, w, 40<<20+1)
	must(t, w.Publish(t.Context(), m))
	if !bytes.Equal(b.server.Get(t, b.name, "r/"+evidence.MatchedFile), data) {
		t.Error("what is stored is not what was written")
	}
}

// TestBucketInterrupted: whatever ends an upload, no manifest is there, and as
// far as the bucket can be reached nothing else either.
func TestBucketInterrupted(t *testing.T) {
	t.Parallel()
	const size = 40 << 20
	for _, c := range []struct {
		name   string
		break_ func(p *testenv.Proxy, cancel func())
		want   kalla.Code
		left   bool // the bucket cannot be reached any more
	}{
		{"cancelled", func(p *testenv.Proxy, cancel func()) {
			p.Watch(func(total int64) {
				if total > size/2 {
					cancel()
				}
			})
		}, kalla.CodeCanceled, false},
		{"large requests fail", func(p *testenv.Proxy, _ func()) { p.CutUploads(10 << 20) }, kalla.CodeEvidence, false},
		{"the network goes", func(p *testenv.Proxy, _ func()) {
			p.Watch(func(total int64) {
				if total > size/2 {
					go p.Break()
				}
			})
		}, kalla.CodeEvidence, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, temp := newBucket(t), t.TempDir()
			p := b.proxy(t)
			w, err := evidence.Begin(t.Context(), locate(t, b.uri("r", p), temp), "big")
			must(t, err)
			defer w.Abort()
			m, _ := large(t, w, size)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c.break_(p, cancel)
			err = w.Publish(ctx, m)
			if code(err) != c.want {
				t.Errorf("got %v", err)
			}
			if strings.Contains(fmt.Sprintf("%+v", err), b.server.SecretKey) {
				t.Errorf("the secret shows: %v", err)
			}
			w.Abort()
			if got := entries(t, temp); got != "" {
				t.Errorf("left in the temporary folder: %s", got)
			}
			left := b.keys(t)
			if slices.Contains(left, "r/"+evidence.ManifestFile) || !c.left && len(left) > 0 {
				t.Errorf("left in the bucket: %q", left)
			}
			direct := locate(t, b.uri("r", nil), temp)
			if _, err := evidence.Load(t.Context(), direct); code(err) != kalla.CodeEvidence {
				t.Errorf("it is taken for evidence: %v", err)
			}
			if len(left) > 0 {
				if _, err := evidence.Begin(t.Context(), direct, "another"); code(err) != kalla.CodeUsage || !strings.Contains(err.Error(), "another run") {
					t.Errorf("another run may begin there: %v", err)
				}
			}
			again, err := evidence.Begin(t.Context(), direct, "big")
			must(t, err)
			defer again.Abort()
			if left := b.keys(t); len(left) > 0 {
				t.Errorf("the next attempt leaves %q", left)
			}
			m, _ = large(t, again, 1<<20)
			must(t, again.Publish(t.Context(), m))
		})
	}
}

// TestBucketTaken: of two that write to one prefix, one publishes whole evidence and the other is refused.
func TestBucketTaken(t *testing.T) {
	b := newBucket(t)
	l := locate(t, b.uri("r", nil), t.TempDir())
	var results []error
	var writers []*evidence.Writer
	for _, id := range []string{"one", "two"} {
		w, err := evidence.Begin(t.Context(), l, id)
		must(t, err)
		defer w.Abort()
		must(t, os.WriteFile(w.Path(evidence.MatchedFile), []byte("of "+id), 0o600))
		writers = append(writers, w)
	}
	for i, id := range []string{"one", "two"} {
		results = append(results, writers[i].Publish(t.Context(), evidence.Manifest{RunID: id, Files: map[string]evidence.File{evidence.MatchedFile: {}}}))
	}
	if results[0] != nil || code(results[1]) != kalla.CodeUsage {
		t.Errorf("got %v", results)
	}
	if got := string(b.server.Get(t, b.name, "r/"+evidence.MatchedFile)); got != "of one" {
		t.Errorf("the file is %s", got)
	}
	if m, err := evidence.Find(t.Context(), l, "one"); err != nil || m == nil {
		t.Errorf("the first is gone: %v", err)
	}
}

func TestBucketRefusals(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.server.Put(t, b.name, "foreign/report.pdf", []byte("x"))
	b.server.Put(t, b.name, "named/matched.parquet", []byte("x"))
	good := b.uri("r", nil)
	silent := b.proxy(t)
	silent.Hang()
	for _, c := range []struct {
		name, uri string
		want      kalla.Code
		why       string
	}{
		{"a wrong secret", strings.Replace(good, "secret=", "secret=wrong", 1), kalla.CodeEvidence, "does not accept the credentials"},
		{"an unknown key", strings.Replace(good, "key_id=", "key_id=nobody", 1), kalla.CodeEvidence, "the server refuses"},
		{"no credentials", strings.Split(good, "&key_id")[0], kalla.CodeEvidence, "denies access; no credentials are given"},
		{"no bucket", strings.Replace(good, b.name, "kalla-none", 1), kalla.CodeEvidence, "there is no bucket kalla-none"},
		{"nothing listens", strings.Replace(good, url.QueryEscape(b.server.Endpoint), "http://127.0.0.1:1", 1), kalla.CodeEvidence, "failed or broke off"},
		{"other objects", b.uri("foreign", nil), kalla.CodeUsage, `it is not empty: there is "report.pdf"`},
		{"an object of a name that evidence has", b.uri("named", nil), kalla.CodeUsage, `another run is writing there, or was killed while it did: there is "matched.parquet"`},
	} {
		_, err := evidence.Begin(t.Context(), locate(t, c.uri, t.TempDir()), "r")
		if code(err) != c.want || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.name, err)
		}
		if text := fmt.Sprintf("%+v", err); strings.Contains(text, b.server.SecretKey) || strings.Contains(text, url.PathEscape(b.server.SecretKey)) {
			t.Errorf("%s: the secret shows: %s", c.name, text)
		}
	}
	for uri, why := range map[string]string{
		"s3://" + b.name:           "names no prefix",
		"s3://" + b.name + "/a//b": "empty parts",
		good + "&colour=blue":      `no option "colour"`,
		"s3://b/${NOWHERE}":        "NOWHERE is not set",
	} {
		if _, err := evidence.Locate(uri, "", noEnv); code(err) != kalla.CodeUsage || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", uri, err)
		}
	}

	// A server that hangs is left within a second of the cancellation.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := evidence.Begin(ctx, locate(t, b.uri("r", silent), t.TempDir()), "r")
	if code(err) != kalla.CodeCanceled {
		t.Errorf("a server that hangs: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second { // a second, and what a loaded machine takes
		t.Errorf("it took %s to give up", took)
	}
}

func TestPaths(t *testing.T) {
	if paths := evidence.Paths(&kalla.Summary{}); len(paths) > 0 {
		t.Errorf("without evidence there is %v", paths)
	}
	for _, c := range []struct {
		sum  kalla.Summary
		want string
	}{
		{kalla.Summary{Evidence: "s3://b/runs/1"}, "s3://b/runs/1/matched.parquet s3://b/runs/1/summary.json"},
		{kalla.Summary{Evidence: "s3://b/runs/1", Parts: true}, "s3://b/runs/1/matched s3://b/runs/1/summary.json"},
		{kalla.Summary{Evidence: "/data/runs/1"}, filepath.FromSlash("/data/runs/1/matched.parquet /data/runs/1/summary.json")},
	} {
		paths := evidence.Paths(&c.sum)
		if got := paths["matched"] + " " + paths["summary"]; got != c.want {
			t.Errorf("they are at %s, want %s", got, c.want)
		}
		names := slices.Sorted(maps.Keys(paths))
		if want := []string{"breaks", "candidates", "manifest", "matched", "summary", "unmatched_left", "unmatched_right"}; !slices.Equal(names, want) {
			t.Errorf("paths are %v, want %v", names, want)
		}
	}
}
