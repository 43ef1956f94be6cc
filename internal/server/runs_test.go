package server_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/server"
)

// TestRun takes a run from its beginning to everything that can be had of it, on both stores.
func TestRun(t *testing.T) {
	for name, database := range stores {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			noLeaks(t)
			sched := scheduler(t)
			s := newSite(t, options{database: url, scheduler: sched.URL()})
			id := s.start(map[string]any{"recipe": inline(data(t, 1000)), "target": "99.9%"})

			_, events := s.follow(id, "", nil)
			checkEvents(t, events, server.RunCompleted)
			if status, missed := s.follow(id, events[2].id, nil); status != http.StatusOK || len(missed) != len(events)-3 {
				t.Errorf("after event %s: status %d, %d events of %d", events[2].id, status, len(missed), len(events))
			}
			if status, _ := s.follow(id, events[len(events)-1].id, nil); status != http.StatusNoContent {
				t.Errorf("after the last event: status %d", status)
			}

			run := s.run(id)
			checkRun(t, s, run)
			checkRecords(t, s, run)
			checkFiles(t, s, run)
			checkAgain(t, s, run)
			checkParts(t, s, run)
		})
	}
}

// checkEvents: numbers rise, states go forward, and the last is final.
func checkEvents(t *testing.T, events []event, end server.RunState) {
	t.Helper()
	order := []server.RunState{server.RunPending, server.RunDispatched, server.RunStaging, server.RunMatching, server.RunEvidence, server.RunCompleted, server.RunFailed, server.RunCancelled}
	if len(events) < 2 {
		t.Fatalf("%d events", len(events))
	}
	for i, e := range events {
		if e.id != fmt.Sprint(e.data.Seq) || e.name != "state" && e.name != "progress" {
			t.Errorf("event %+v", e)
		}
		if i > 0 && (e.data.Seq <= events[i-1].data.Seq || e.data.Attempt == events[i-1].data.Attempt && slices.Index(order, e.data.Status) < slices.Index(order, events[i-1].data.Status)) {
			t.Errorf("event %+v after %+v", e.data, events[i-1].data)
		}
		if final(e.data.Status) != (i == len(events)-1) {
			t.Errorf("event %d of %d is %s", i, len(events), e.data.Status)
		}
	}
	if first, last := events[0].data.Status, events[len(events)-1].data.Status; first != server.RunPending || last != end {
		t.Errorf("from %s to %s", first, last)
	}
}

func checkRun(t *testing.T, s *site, run server.Run) {
	t.Helper()
	sum := run.Summary
	if run.Status != server.RunCompleted || sum == nil || sum.Left.Total != 1000 || sum.Left.Matched+run.UnmatchedLeftCount != sum.Left.Total ||
		sum.Right.Matched+run.UnmatchedRightCount != sum.Right.Total || run.MatchedCount != sum.Pairs || run.MatchedCount == 0 {
		t.Errorf("%+v", run)
	}
	if !run.UnderTarget || run.MatchRate == nil || !run.MatchRate.Equal(sum.MatchRate) || run.ErrorMessage != nil {
		t.Errorf("target %v, rate %v", run.Target, run.MatchRate)
	}
	if run.CreatedBy != adminEmail || run.RecipeID != "invoices-payments" || run.Attempt != 1 || len(run.Sentences) == 0 || run.LatestProgress == nil {
		t.Errorf("%+v", run)
	}
	manifest := filepath.Join(filepath.Dir(deref(run.OutputMatched)), evidence.ManifestFile)
	if _, err := os.Stat(manifest); err != nil || !strings.HasPrefix(manifest, s.storage) {
		t.Errorf("evidence at %s: %v", manifest, err)
	}
	listed := want[[]server.RunItem](t, s.call(http.MethodGet, "/api/runs?status=completed&recipe_id=invoices-payments", nil), http.StatusOK)
	if len(listed) != 1 || listed[0].RunID != run.RunID {
		t.Errorf("%+v", listed)
	}
	if none := want[[]server.RunItem](t, s.call(http.MethodGet, "/api/runs?since=2099-01-01T00:00:00Z", nil), http.StatusOK); len(none) != 0 {
		t.Errorf("%+v", none)
	}
	over := want[server.Overview](t, s.call(http.MethodGet, "/api/overview", nil), http.StatusOK)
	if len(over.Recent) != 1 || over.Demo {
		t.Errorf("%+v", over)
	}
}

func checkRecords(t *testing.T, s *site, run server.Run) {
	t.Helper()
	at := "/api/runs/" + run.RunID
	page := want[records.Page](t, s.call(http.MethodGet, at+"/records?limit=10", nil), http.StatusOK)
	if len(page.Rows.Rows) != 10 || page.Total == nil || *page.Total != run.MatchedCount || page.Next == "" {
		t.Errorf("%d rows of %v", len(page.Rows.Rows), page.Total)
	}
	filtered := `/records?side=left&sort=-amount&filter=%5B%7B%22column%22%3A%22amount%22%2C%22op%22%3A%22gt%22%2C%22value%22%3A0%7D%5D&columns=invoice_id,amount`
	left := want[records.Page](t, s.call(http.MethodGet, at+filtered, nil), http.StatusOK)
	if left.Total == nil || *left.Total != run.UnmatchedLeftCount || len(left.Columns) != 2 {
		t.Errorf("%v of %d, columns %v", left.Total, run.UnmatchedLeftCount, left.Columns)
	}
	key := *left.Rows.Rows[0][0]
	rec := want[records.Record](t, s.call(http.MethodGet, at+"/records/left/"+key, nil), http.StatusOK)
	if rec.Key != key || rec.Unmatched == nil {
		t.Errorf("%+v", rec)
	}
	if got := s.call(http.MethodGet, at+"/records/left/no%2Fsuch%2Fkey", nil); got.status != http.StatusNotFound {
		t.Errorf("a key that is not there: %d %s", got.status, got.body)
	}
	bad := want[problem](t, s.call(http.MethodGet, at+`/records?filter=%5B%7B%22op%22%3A%22is%22%7D%5D`, nil), http.StatusUnprocessableEntity)
	if len(bad.Errors) != 2 || bad.Errors[0].Location != "query.filter[0].column" {
		t.Errorf("%+v", bad)
	}
	waterfall := want[[]records.PassFigures](t, s.call(http.MethodGet, at+"/charts/waterfall", nil), http.StatusOK)
	pairs := int64(0)
	for _, p := range waterfall {
		pairs += p.Pairs
	}
	if pairs != run.MatchedCount {
		t.Errorf("%d pairs in the waterfall, %d in the run", pairs, run.MatchedCount)
	}
	reasons := want[[]records.ReasonFigures](t, s.call(http.MethodGet, at+"/charts/reasons?side=right", nil), http.StatusOK)
	unmatched := int64(0)
	for _, r := range reasons {
		unmatched += r.Records
	}
	if unmatched != run.UnmatchedRightCount {
		t.Errorf("%d reasons, %d unmatched", unmatched, run.UnmatchedRightCount)
	}
	for _, chart := range []string{"differences", "ageing", "currencies"} {
		want[[]map[string]any](t, s.call(http.MethodGet, at+"/charts/"+chart, nil), http.StatusOK)
	}
}

func checkFiles(t *testing.T, s *site, run server.Run) {
	t.Helper()
	at := "/api/runs/" + run.RunID
	whole := s.call(http.MethodGet, at+"/evidence/matched.parquet", nil)
	sum := sha256.Sum256(whole.body)
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	if whole.status != http.StatusOK || whole.header.Get("Etag") != tag {
		t.Errorf("status %d, tag %s, not %s", whole.status, whole.header.Get("Etag"), tag)
	}
	part := s.call(http.MethodGet, at+"/evidence/matched.parquet", nil, "Range", "bytes=4-11")
	if part.status != http.StatusPartialContent || !bytes.Equal(part.body, whole.body[4:12]) {
		t.Errorf("part: %d %q", part.status, part.body)
	}
	if again := s.call(http.MethodGet, at+"/evidence/matched.parquet", nil, "If-None-Match", tag); again.status != http.StatusNotModified {
		t.Errorf("again: %d", again.status)
	}
	for _, file := range []string{"no.parquet", "..%2F..%2Fstate.db", "%2e%2e"} {
		if got := s.call(http.MethodGet, at+"/evidence/"+file, nil); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", file, got.status)
		}
	}
	book := s.call(http.MethodGet, at+"/export", nil)
	if _, err := zip.NewReader(bytes.NewReader(book.body), int64(len(book.body))); err != nil || book.status != http.StatusOK ||
		!strings.HasSuffix(strings.Trim(book.header.Get("Content-Disposition"), `"`), ".xlsx") {
		t.Errorf("workbook: %d %s %v", book.status, book.header, err)
	}
	archive := s.call(http.MethodGet, at+"/export?format=csv", nil)
	files, err := zip.NewReader(bytes.NewReader(archive.body), int64(len(archive.body)))
	if err != nil || len(files.File) < 5 {
		t.Errorf("CSV: %d %v", archive.status, err)
	}
	table := s.call(http.MethodGet, at+"/export?format=csv&table=unmatched_left", nil)
	if lines := bytes.Count(table.body, []byte("\n")); int64(lines) != run.UnmatchedLeftCount+1 {
		t.Errorf("%d lines for %d records", lines, run.UnmatchedLeftCount)
	}
	report := want[evidence.Report](t, s.call(http.MethodGet, at+"/verify", nil), http.StatusOK)
	if !report.OK() || report.RunID != run.RunID {
		t.Errorf("%+v", report)
	}
}

// checkParts makes the matched records of a run a part, as a cluster would have left them.
func checkParts(t *testing.T, s *site, run server.Run) {
	t.Helper()
	at := "/api/runs/" + run.RunID
	whole := s.call(http.MethodGet, at+"/evidence/matched.parquet", nil)
	const sorted = "/records?table=matched&sort=-left_amount"
	page := want[records.Page](t, s.call(http.MethodGet, at+sorted, nil), http.StatusOK)
	dir := filepath.Dir(deref(run.OutputMatched))
	check(t, os.Mkdir(filepath.Join(dir, "matched"), 0o750))
	check(t, os.Rename(filepath.Join(dir, "matched.parquet"), filepath.Join(dir, "matched", "00000.parquet")))
	path := filepath.Join(dir, evidence.ManifestFile)
	text, err := os.ReadFile(path)
	check(t, err)
	var m evidence.Manifest
	check(t, json.Unmarshal(text, &m))
	f := m.Files["matched.parquet"]
	delete(m.Files, "matched.parquet")
	m.Format, m.Tables, m.Files["matched/00000.parquet"] = evidence.FormatVersion, map[string]kalla.Schema{"matched": f.Schema}, f
	text, err = json.Marshal(m)
	check(t, err)
	check(t, os.WriteFile(path, text, 0o600))

	part := s.call(http.MethodGet, at+"/evidence/matched/00000.parquet", nil)
	if part.status != http.StatusOK || !bytes.Equal(part.body, whole.body) || part.header.Get("Etag") != whole.header.Get("Etag") || !strings.Contains(part.header.Get("Content-Disposition"), "matched-00000.parquet") {
		t.Errorf("part: %d %v", part.status, part.header)
	}
	for _, file := range []string{"matched.parquet", "matched/00001.parquet", "matched/..%2F..%2Fstate.db", "matched/%2e%2e"} {
		if got := s.call(http.MethodGet, at+"/evidence/"+file, nil); got.status != http.StatusNotFound {
			t.Errorf("%s: %d", file, got.status)
		}
	}
	if again := want[records.Page](t, s.call(http.MethodGet, at+sorted, nil), http.StatusOK); !reflect.DeepEqual(again.Rows, page.Rows) || len(page.Rows.Rows) == 0 {
		t.Errorf("the page is\n%v\nand was\n%v", again.Rows, page.Rows)
	}
	if report := want[evidence.Report](t, s.call(http.MethodGet, at+"/verify", nil), http.StatusOK); !report.OK() {
		t.Errorf("%+v", report)
	}
	table := s.call(http.MethodGet, at+"/export?format=parquet&table=matched", nil)
	if table.status != http.StatusOK || !bytes.HasPrefix(table.body, []byte("PAR1")) {
		t.Errorf("one file: %d %v", table.status, table.header)
	}
}

// checkAgain: the same once more, compared, and signed off.
func checkAgain(t *testing.T, s *site, run server.Run) {
	t.Helper()
	again := want[server.RunStarted](t, s.call(http.MethodPost, "/api/runs/"+run.RunID+"/rerun", nil), http.StatusOK)
	second := s.until(again.RunID, server.RunCompleted)
	if second.RerunOf != run.RunID || second.MatchedCount != run.MatchedCount || !second.UnderTarget {
		t.Errorf("%+v", second)
	}
	same := want[records.Comparison](t, s.call(http.MethodGet, "/api/runs/"+run.RunID+"/compare/"+second.RunID, nil), http.StatusOK)
	for side, counts := range same.Counts {
		for change, n := range counts {
			if n != 0 {
				t.Errorf("%s: %d %s", side, n, change)
			}
		}
	}
	want[records.Page](t, s.call(http.MethodGet, "/api/runs/"+run.RunID+"/compare/"+second.RunID+"/records?side=right&change=new", nil), http.StatusOK)

	decide := func(decision, comment string) answered {
		r := s.request(http.MethodPost, "/api/runs/"+run.RunID+"/approve", []byte(fmt.Sprintf(`{"decision": %q, "comment": %q}`, decision, comment)))
		resp, err := s.browser.Do(r)
		check(t, err)
		defer resp.Body.Close()
		return answered{status: resp.StatusCode}
	}
	if got := decide("rejected", ""); got.status != http.StatusUnprocessableEntity {
		t.Errorf("rejected without a word: %d", got.status)
	}
	if got := decide("approved", "fine"); got.status != http.StatusOK {
		t.Errorf("approved: %d", got.status)
	}
	if got := s.run(run.RunID).Approvals; len(got) != 1 || got[0].Decision != "approved" || got[0].DecidedBy != adminEmail {
		t.Errorf("%+v", got)
	}
	log := want[[]server.AuditEntry](t, s.call(http.MethodGet, "/api/audit?object_type=run&object_id="+run.RunID, nil), http.StatusOK)
	var actions []string
	for _, e := range log {
		actions = append(actions, e.Action)
	}
	if !slices.Equal(actions, []string{"run.approved", "run.export", "run.export", "run.export", "run.complete", "run.create"}) {
		t.Errorf("audited: %v", actions)
	}
	if proof := want[server.AuditProof](t, s.call(http.MethodGet, "/api/audit/proof", nil), http.StatusOK); !proof.Whole || proof.Entries < 5 {
		t.Errorf("%+v", proof)
	}
}
