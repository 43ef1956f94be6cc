package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kalla/internal/app"
	"kalla/internal/objects"
	"kalla/internal/server"
	"kalla/internal/server/auth"
	"kalla/internal/testenv"
)

// presign gets a place for a file.
func (s *site) presign(name string) server.UploadPlace {
	s.t.Helper()
	return want[server.UploadPlace](s.t, s.call(http.MethodPost, "/api/uploads/presign", object{"filename": name, "session_id": "s1"}), 200)
}

// put sends a file as a browser or curl does: with nothing but the URL.
func (s *site) put(place string, content io.Reader) answered {
	s.t.Helper()
	if strings.HasPrefix(place, "/") {
		place = s.URL + place
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, place, content)
	check(s.t, err)
	resp, err := http.DefaultClient.Do(r)
	check(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(s.t, err)
	return answered{resp.StatusCode, resp.Header, body}
}

func (s *site) confirm(p server.UploadPlace) answered {
	return s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/confirm", object{"s3_uri": p.S3URI, "filename": "payments.csv"})
}

const payments = "id;paid\nA1;10,00\nA2;20,50\nB9;1,00\n"

// TestUploads: a file from the first request to its end as a source, kept by the app itself and in a bucket.
func TestUploads(t *testing.T) {
	for name, storage := range map[string]func(*testing.T) (string, func(string) (string, bool)){
		"local":  func(t *testing.T) (string, func(string) (string, bool)) { return t.TempDir(), noEnv },
		"bucket": bucket,
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			place, env := storage(t)
			sched := scheduler(t, func(c *app.SchedulerConfig) { c.LookupEnv = env; c.Extensions = testenv.DuckDBExtensions(t) })
			var ahead atomic.Int64
			s := newSite(t, options{storage: place, env: env, scheduler: sched.URL(), now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
			bills := write(t, "bills.csv", "id,amount\nA1,10.00\nA2,20.00\nA3,30.00\n")

			p := s.presign("../../Zahlungen Nov.csv")
			if p.UploadID == "" || p.S3URI == "" || p.MaxBytes == 0 {
				t.Fatalf("%+v", p)
			}
			if name == "bucket" && (!strings.HasPrefix(p.S3URI, "s3://") || !strings.HasSuffix(p.S3URI, "/uploads/"+p.UploadID+"/Zahlungen_Nov.csv")) {
				t.Errorf("%s", p.S3URI)
			}
			want[problem](t, s.confirm(p), 400) // nothing was sent
			if got := s.put(p.PresignedURL, strings.NewReader(payments)); got.status/100 != 2 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			want[problem](t, s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/confirm", object{"s3_uri": "s3://other/x"}), 400)
			want[problem](t, s.call(http.MethodPost, "/api/uploads/none/confirm", object{"s3_uri": p.S3URI}), 404)
			for range 2 { // again it is answered the same
				up := want[server.Upload](t, s.confirm(p), 200)
				if up.Filename != "payments.csv" || up.RowCount != 3 || !slices.Equal(up.Columns, []string{"id", "paid"}) || up.Format != "csv" || up.Bytes != int64(len(payments)) || up.Expires == nil {
					t.Errorf("%+v", up)
				}
			}
			preview := want[server.UploadPreview](t, s.call(http.MethodPost, "/api/uploads/preview", object{"s3_uri": p.S3URI}), 200)
			if preview.RowCount != 3 || len(preview.Sample) != 3 || *preview.Sample[1]["id"] != "A2" {
				t.Errorf("%+v", preview)
			}
			options := object{"decimal": ","}
			if wide := want[server.UploadPreview](t, s.call(http.MethodPost, "/api/uploads/preview", object{"s3_uri": p.S3URI, "options": options}), 200); *wide.Sample[1]["paid"] != "20.50" {
				t.Errorf("%+v", wide)
			}

			// A run may use it while it is there; a saved recipe may not.
			document := small("uploaded", "uri: "+bills, "uri: "+p.S3URI)
			if run := s.until(s.start(map[string]any{"recipe": inline(document)}), server.RunCompleted); run.MatchedCount != 2 {
				t.Errorf("%+v", run.RunItem)
			}
			bad := want[problem](t, s.call(http.MethodPost, "/api/recipes", object{"document": document}), 422)
			if len(bad.Errors) != 1 || !strings.Contains(bad.Errors[0].Hint, "/keep") {
				t.Errorf("%+v", bad)
			}
			if bad := want[problem](t, s.call(http.MethodPost, "/api/sources", object{"alias": "mine", "uri": p.S3URI}), 422); !strings.Contains(bad.Errors[0].Hint, "/keep") {
				t.Errorf("%+v", bad)
			}

			// Kept it is a source.
			for _, wrong := range []object{{"alias": "kept", "options": object{"decimals": ","}}, {"alias": "kept", "types": object{"paid": "money"}}} {
				want[problem](t, s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/keep", wrong), 422)
			}
			keep := object{"alias": "kept", "options": options}
			src := want[server.Source](t, s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/keep", keep), 200)
			if src.Alias != "kept" || src.UploadID != p.UploadID || src.Status != "connected" || *src.Rows != 3 {
				t.Errorf("%+v", src)
			}
			want[server.Source](t, s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/keep", keep), 200)
			want[problem](t, s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/keep", object{"alias": "again"}), 409)
			if shown := want[server.SourcePreview](t, s.call(http.MethodGet, "/api/sources/kept/preview", nil), 200); *shown.TotalRows != 3 || *shown.Rows[2][1] != "1.00" {
				t.Errorf("%+v", shown)
			}
			// As it is shown it may be saved again.
			want[server.Source](t, s.call(http.MethodPut, "/api/sources/kept", object{"alias": "kept", "uri": src.URI, "source_type": src.SourceType, "options": options}), 200)
			want[problem](t, s.call(http.MethodPut, "/api/sources/kept", object{"alias": "kept", "uri": src.URI, "options": object{"decimals": ","}}), 422)
			want[server.Done](t, s.call(http.MethodPost, "/api/recipes", object{"document": small("uploaded", "uri: "+bills, "source: kept")}), 200)

			// Time goes by: what was not kept is gone, and the file with it.
			other := s.presign("other.csv")
			if got := s.put(other.PresignedURL, strings.NewReader(payments)); got.status/100 != 2 {
				t.Fatalf("%d %s", got.status, got.body)
			}
			want[server.Upload](t, s.confirm(other), 200)
			ahead.Store(int64(25 * time.Hour))
			want[problem](t, s.confirm(other), 404)
			swept(t, s)
			if run := s.until(s.start(map[string]any{"recipe_id": "uploaded"}), server.RunCompleted); run.MatchedCount != 2 {
				t.Errorf("%+v", run.RunItem)
			}
			if files := stored(t, place, env, other); len(files) != 0 {
				t.Errorf("%v is still there", files)
			}
			if files := stored(t, place, env, p); len(files) != 1 {
				t.Errorf("%v of the kept one", files)
			}
			// With its source an upload goes, a day later.
			want[server.Done](t, s.call(http.MethodDelete, "/api/sources/kept?force=true", nil), 200)
			swept(t, s)
			if files := stored(t, place, env, p); len(files) != 1 {
				t.Errorf("%v at once", files)
			}
			ahead.Store(int64(50 * time.Hour))
			swept(t, s)
			if files := stored(t, place, env, p); len(files) != 0 {
				t.Errorf("%v is still there", files)
			}
		})
	}
}

// bucket is a storage in a bucket, whose credentials are in the environment of the app and the scheduler.
func bucket(t *testing.T) (string, func(string) (string, bool)) {
	s3 := testenv.S3(t)
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"AWS_ACCESS_KEY_ID": s3.AccessKey, "AWS_SECRET_ACCESS_KEY": s3.SecretKey, "AWS_REGION": s3.Region}[name]
		return v, ok
	}
	return "s3://" + s3.Bucket(t) + "/kalla?endpoint=" + s3.Endpoint + "&url_style=path", env
}

// swept removes what has expired, as the app does every hour.
func swept(t *testing.T, s *site) {
	t.Helper()
	check(t, s.server.Sweep(context.Background()))
}

// stored are the files of an upload that are in the storage.
func stored(t *testing.T, storage string, env func(string) (string, bool), p server.UploadPlace) (names []string) {
	t.Helper()
	if base, options, ok := strings.Cut(storage, "?"); ok {
		prefix, err := objects.Open(base+"/uploads/"+p.UploadID+"?"+options, env)
		check(t, err)
		defer prefix.Close()
		found, err := prefix.List(t.Context())
		check(t, err)
		return slices.Collect(maps.Keys(found))
	}
	entries, err := os.ReadDir(filepath.Join(storage, "uploads", p.UploadID))
	if !os.IsNotExist(err) {
		check(t, err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestUploadAttacks: a place takes one file, of a size that is allowed, from
// whoever has its URL, while that is good, and nothing but the file.
func TestUploadAttacks(t *testing.T) {
	noLeaks(t)
	storage := t.TempDir()
	var ahead atomic.Int64
	s := newSite(t, options{storage: storage, scheduler: scheduler(t).URL(), maxUpload: 1 << 20, now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	big := func(n int) io.Reader { return strings.NewReader(strings.Repeat("1,abcdefg\n", n/10)) }
	nothing := func(p server.UploadPlace, why string) {
		t.Helper()
		if files := stored(t, storage, noEnv, p); len(files) != 0 {
			t.Errorf("%s left %v", why, files)
		}
	}

	// Names.
	for name, shown := range map[string]string{
		"../../../etc/passwd": "passwd", `..\..\boot.ini`: "boot.ini", "a\x00b\r\n.csv": "ab.csv", "\u202egpj.csv": "gpj.csv",
		"..": "upload", "/": "upload", strings.Repeat("ü", 120) + ".csv": strings.Repeat("ü", 120) + ".csv", "*?[x].csv": "*?[x].csv", "-rf": "-rf",
	} {
		p := s.presign(name)
		at := p.S3URI[strings.LastIndex(p.S3URI, "/")+1:]
		if strings.Trim(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || at == "" || strings.HasPrefix(at, ".") || strings.HasPrefix(at, "-") || len(at) > 100 {
			t.Errorf("%q is stored as %q", name, at)
		}
		if got := s.put(p.PresignedURL, strings.NewReader("id,amount\n1,2\n")); got.status != http.StatusNoContent {
			t.Fatalf("%q: %d %s", name, got.status, got.body)
		}
		up := want[server.Upload](t, s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/confirm", object{"s3_uri": p.S3URI}), 200)
		if up.Filename != shown || len(stored(t, storage, noEnv, p)) != 1 {
			t.Errorf("%q is shown as %q", name, up.Filename)
		}
	}
	if entries, err := os.ReadDir(storage); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
	want[problem](t, s.call(http.MethodPost, "/api/uploads/presign", object{"filename": strings.Repeat("x", 256)}), 422)
	want[problem](t, s.call(http.MethodPost, "/api/uploads/presign", object{"filename": "a.csv", "size": 2 << 20}), 413)

	// URLs.
	p, other := s.presign("a.csv"), s.presign("b.csv")
	link, err := url.Parse(p.PresignedURL)
	check(t, err)
	signature, expires := link.Query().Get("signature"), link.Query().Get("expires")
	for why, target := range map[string]string{
		"no signature":    link.Path,
		"wrong signature": link.Path + "?expires=" + expires + "&signature=" + signature[:len(signature)-2] + "AA",
		"longer":          link.Path + "?expires=" + expires + "0&signature=" + signature,
		"another upload":  "/api/uploads/" + other.UploadID + "/content?expires=" + expires + "&signature=" + signature,
		"no upload":       "/api/uploads/..%2f..%2fx/content?expires=" + expires + "&signature=" + signature,
	} {
		if got := s.put(target, strings.NewReader("id\n1\n")); got.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", why, got.status, got.body)
		}
	}
	nothing(p, "a wrong URL")
	ahead.Store(int64(16 * time.Minute))
	if got := s.put(p.PresignedURL, strings.NewReader("id\n1\n")); got.status != http.StatusForbidden || !strings.Contains(string(got.body), "over") {
		t.Errorf("%d %s", got.status, got.body)
	}
	ahead.Store(0)

	// Sizes: said, not said, and said wrongly.
	if got := s.put(p.PresignedURL, big(2<<20)); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := s.put(p.PresignedURL, io.MultiReader(big(2<<20))); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", got.status, got.body)
	}
	nothing(p, "a file too large")
	func() { // cut off
		conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
		check(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nid\n1\n", p.PresignedURL)
		check(t, conn.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), " 400 ") {
			t.Errorf("%s %v", answer, err)
		}
	}()
	nothing(p, "a file that was cut off")

	// One file, and no other after it or beside it.
	const senders = 8
	var wg sync.WaitGroup
	statuses := make([]int, senders)
	for i := range senders {
		wg.Go(func() { statuses[i] = s.put(p.PresignedURL, strings.NewReader(fmt.Sprintf("id,by\n1,%d\n", i))).status })
	}
	wg.Wait()
	first := slices.Index(statuses, http.StatusNoContent)
	if first < 0 {
		t.Fatalf("%v", statuses)
	}
	for i, status := range statuses {
		if i != first && status != http.StatusConflict {
			t.Errorf("%v", statuses)
		}
	}
	if got := want[server.UploadPreview](t, s.call(http.MethodPost, "/api/uploads/preview", object{"s3_uri": p.S3URI}), 200); *got.Sample[0]["by"] != fmt.Sprint(first) {
		t.Errorf("%+v after %v", got, statuses)
	}
	want[server.Upload](t, s.confirm(p), 200)
	if got := s.put(p.PresignedURL, strings.NewReader("id\n1\n")); got.status != http.StatusConflict {
		t.Errorf("replayed: %d %s", got.status, got.body)
	}

	// Content that is not what the name says.
	for name, content := range map[string]string{
		"page.csv": "<html><script>alert(1)</script>", "program.csv": "\x7fELF\x01\x00", "text.xlsx": "\x00\x01\x02", "cut.parquet": "PAR1\x15\x00\x00\x00\x00\x00\x00\x00\x00", "empty.csv": "",
	} {
		p := s.presign(name)
		s.put(p.PresignedURL, strings.NewReader(content))
		bad := want[problem](t, s.confirm(p), 422)
		if bad.Hint == "" {
			t.Errorf("%s: %+v", name, bad)
		}
		want[problem](t, s.call(http.MethodPost, "/api/uploads/"+p.UploadID+"/keep", object{"alias": "bad"}), 409)
	}
	for name, c := range map[string]struct{ content, format string }{
		"table.xlsx": {"id,amount\n1,2.50\n", "csv"}, "lines.csv": {"{\"id\":1}\n{\"id\":2}\n", "ndjson"}, "plain.csv.gz": {"id\n1\n", "csv"}, "zipped.csv": {zipped(t, "id\n1\n"), "csv"},
	} {
		p := s.presign(name)
		s.put(p.PresignedURL, strings.NewReader(c.content))
		if up := want[server.Upload](t, s.confirm(p), 200); up.Format != c.format || up.Columns[0] != "id" {
			t.Errorf("%s: %+v", name, up)
		}
	}
}

func zipped(t testing.TB, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	check(t, err)
	check(t, w.Close())
	return b.String()
}

// TestSlowUpload: who sends too slowly is cut off, and leaves nothing.
func TestSlowUpload(t *testing.T) {
	t.Parallel() // it waits for the deadline of 15 s
	storage := t.TempDir()
	s := newSite(t, options{storage: storage})
	p := s.presign("slow.csv")
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	check(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", p.PresignedURL)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = conn.Write([]byte("x"))
			}
		}
	}()
	check(t, conn.SetReadDeadline(time.Now().Add(2*time.Minute)))
	answer, err := io.ReadAll(conn)
	if !strings.Contains(string(answer), " 408 ") {
		t.Errorf("%s %v", answer, err)
	}
	if files := stored(t, storage, noEnv, p); len(files) != 0 {
		t.Errorf("%v", files)
	}
}

// TestUploadOwners: an upload is its owner's, and an administrator's, until it is kept.
func TestUploadOwners(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{scheduler: scheduler(t).URL()})
	s.mustCreateUser("one@example.com", "preparer")
	s.mustCreateUser("two@example.com", "preparer")
	one := s.newToken(s.signIn("one@example.com"), auth.ScopeWrite, auth.ScopeRuns, auth.ScopeRead)
	two := s.newToken(s.signIn("two@example.com"), auth.ScopeWrite, auth.ScopeRuns, auth.ScopeRead)
	p := want[server.UploadPlace](t, s.callAs(one, http.MethodPost, "/api/uploads/presign", object{"filename": "a.csv"}), 200)
	s.put(p.PresignedURL, strings.NewReader(payments))
	ref := object{"s3_uri": p.S3URI}
	document := small("theirs", "uri: "+p.S3URI, "uri: "+p.S3URI)
	refused := func(want int) {
		t.Helper()
		for path, body := range map[string]object{
			"/api/uploads/" + p.UploadID + "/confirm": ref, "/api/uploads/preview": ref, "/api/uploads/" + p.UploadID + "/keep": {"alias": "taken"},
		} {
			if got := s.callAs(two, http.MethodPost, path, body); got.status != want {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
	}
	refused(404)
	want[server.Upload](t, s.callAs(one, http.MethodPost, "/api/uploads/"+p.UploadID+"/confirm", ref), 200)
	refused(404)
	bad := want[problem](t, s.callAs(two, http.MethodPost, "/api/runs", object{"recipe": inline(document)}), 422)
	if len(bad.Errors) != 2 || !strings.HasSuffix(bad.Errors[0].Location, "sources.left.uri") {
		t.Errorf("%+v", bad)
	}
	want[server.RunStarted](t, s.callAs(one, http.MethodPost, "/api/runs", object{"recipe": inline(document)}), 200)
	want[server.UploadPreview](t, s.call(http.MethodPost, "/api/uploads/preview", ref), 200) // an administrator
	want[server.Source](t, s.callAs(one, http.MethodPost, "/api/uploads/"+p.UploadID+"/keep", object{"alias": "shared"}), 200)
	want[server.SourcePreview](t, s.callAs(two, http.MethodGet, "/api/sources/shared/preview", nil), 200)
}
