package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"kalla"
)

// Report is what Verify found.
type Report struct {
	Dir      string    `json:"dir"`
	RunID    string    `json:"run_id"`
	Seal     string    `json:"seal"` // SHA-256 of the manifest, which holds that of every other file
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`   // "left records"
	OK     bool   `json:"ok"`     // false where a finding says what is wrong
	Detail string `json:"detail"` // "1000000 = 950000 matched + 50000 unmatched"
}

// Finding is one thing that is wrong.
type Finding struct {
	Check    string `json:"check"`
	Where    string `json:"where"` // file, column, pass or reason
	Problem  string `json:"problem"`
	Expected string `json:"expected,omitempty"`
	Found    string `json:"found,omitempty"`
}

// String renders the finding in one line.
func (f Finding) String() string {
	s := f.Where + ": " + f.Problem
	switch {
	case f.Expected != "":
		s += fmt.Sprintf(": expected %s, found %s", f.Expected, f.Found)
	case f.Found != "":
		s += ": " + f.Found
	}
	return s
}

// Verify proves a folder from its files alone: nothing is changed, missing or
// added; every record of both sides is in exactly one place; counts and sums
// add up to those of the manifest. It shares no code with the run, whose
// counts it does not believe. What is wrong is in the report; the error is for
// what could not be looked at, such as a folder without a manifest.
func Verify(ctx context.Context, l Location, q Querier) (*Report, error) {
	m, data, err := load(ctx, l)
	if err != nil {
		return nil, err
	}
	seal := sha256.Sum256(data)
	v := &verifier{ctx: ctx, m: m, q: q}
	v.report = Report{Dir: l.String(), RunID: m.RunID, Seal: hex.EncodeToString(seal[:]), Findings: []Finding{}}
	names, err := l.names(ctx)
	if err != nil {
		return nil, err
	}
	dir, release, err := l.fetch(ctx, m)
	if err != nil {
		return nil, err
	}
	defer release()
	v.dir = dir

	v.files(names)
	v.rows()
	for _, s := range []kalla.Side{kalla.Left, kalla.Right} {
		v.side(s)
		v.reasons(s)
	}
	v.passes()
	v.breaks()
	if err := ctx.Err(); err != nil {
		return nil, writeError("verifying evidence", l.String(), err)
	}
	if v.failed != nil {
		return nil, v.failed
	}
	return &v.report, nil
}

// verifier collects findings; its methods are the checks.
type verifier struct {
	ctx        context.Context
	dir        string
	m          *Manifest
	q          Querier
	unreadable map[string]bool // files that were reported already
	failed     error           // the first thing that could not be looked at
	report     Report
}

// check runs one check and records how it went.
func (v *verifier) check(name string, run func() (detail string)) {
	if v.failed != nil || v.ctx.Err() != nil {
		return
	}
	before := len(v.report.Findings)
	detail := run()
	v.report.Checks = append(v.report.Checks, Check{Name: name, OK: len(v.report.Findings) == before, Detail: detail})
	for i := before; i < len(v.report.Findings); i++ {
		v.report.Findings[i].Check = name
	}
}

func (v *verifier) wrong(where, problem, expected, found string) {
	v.report.Findings = append(v.report.Findings, Finding{Where: where, Problem: problem, Expected: expected, Found: found})
}

// same records a finding where two counts differ.
func (v *verifier) same(where, problem string, expected, found int64) bool {
	if expected != found {
		v.wrong(where, problem, strconv.FormatInt(expected, 10), strconv.FormatInt(found, 10))
	}
	return expected == found
}

// unread records, once a file, that a query over it failed.
func (v *verifier) unread(t table, err error) {
	if v.ctx.Err() != nil || v.unreadable[t.file] {
		return
	}
	if v.unreadable == nil {
		v.unreadable = map[string]bool{}
	}
	v.unreadable[t.file] = true
	for _, name := range t.Files {
		if _, statErr := os.Stat(filepath.Join(v.dir, name)); statErr != nil {
			return // reported as missing
		}
	}
	v.wrong(t.file, "cannot be read as the manifest describes it", "", firstLine(err))
}

func (v *verifier) table(name string) (table, bool) {
	t, listed := v.m.Table(name)
	open := openTable(v.q, v.dir, t)
	return open, listed && !v.unreadable[open.file]
}

// files compares what is there with the manifest: names, sizes, hashes.
func (v *verifier) files(names []string) {
	v.check("files", func() string {
		present := map[string]bool{}
		for _, name := range names {
			present[name] = true
			if _, ok := v.m.Files[name]; !ok && name != ManifestFile {
				v.wrong(name, "is not part of the evidence", "no such file", "a file that the manifest does not name")
			}
		}
		for _, name := range requiredTables() {
			if _, ok := v.m.Table(name); !ok {
				v.wrong(ManifestFile, "does not name "+name, "an entry", "none")
			}
		}
		if _, ok := v.m.Files[SummaryFile]; !ok {
			v.wrong(ManifestFile, "does not name "+SummaryFile, "an entry", "none")
		}
		var names []string
		for _, name := range sortedKeys(v.m.Files) {
			if !local(name) || !present[name] {
				v.wrong(name, "is missing", fmt.Sprintf("%d bytes", v.m.Files[name].Bytes), "no file")
				continue
			}
			names = append(names, name)
		}
		found, err := hashAll(v.ctx, v.dir, names, false)
		if err != nil {
			v.failed = err
			return ""
		}
		var bytes int64
		for _, name := range names {
			want, got := v.m.Files[name], found[name]
			bytes += got.Bytes
			switch {
			case want.Bytes != got.Bytes:
				v.wrong(name, "was changed: its size differs", fmt.Sprintf("%d bytes", want.Bytes), fmt.Sprintf("%d bytes", got.Bytes))
			case want.SHA256 != got.SHA256:
				v.wrong(name, "was changed: its SHA-256 differs", want.SHA256, got.SHA256)
			}
		}
		return fmt.Sprintf("%d files, %d bytes, SHA-256 of each", len(names), bytes)
	})
}

func requiredTables() []string { return []string{MatchedFile, UnmatchedLeftFile, UnmatchedRightFile} }

// rows counts the rows of every Parquet file.
func (v *verifier) rows() {
	v.check("rows", func() string {
		var total int64
		for _, name := range Tables() {
			t, ok := v.table(name)
			if !ok {
				continue
			}
			for i, file := range t.Files {
				var n int64
				if err := t.row(v.ctx, "SELECT count(*) FROM "+t.only(i).From(v.dir), &n); err != nil {
					v.unread(t, err)
					break
				}
				total += n
				v.same(file, "rows differ from the manifest", t.fileRows[i], n)
			}
		}
		if t, ok := v.table(MatchedFile); ok {
			v.same(t.file, "rows of the manifest differ from pairs of the summary", v.m.Summary.Pairs, t.Rows)
		}
		return fmt.Sprintf("%d rows in all", total)
	})
}

// reasons compares the reasons in the file with those of the summary.
func (v *verifier) reasons(s kalla.Side) {
	t, ok := v.table(UnmatchedFile(s))
	if !ok {
		return
	}
	v.check(string(s)+" reasons", func() string {
		src, _ := v.m.Side(s)
		found, err := t.counts(v.ctx, "SELECT CAST("+ident(reasonColumn(src, v.m.Level))+" AS VARCHAR), count(*) FROM "+t.from+" GROUP BY 1")
		if err != nil {
			v.unread(t, err)
			return "not counted"
		}
		want := map[string]int64{}
		for r, n := range v.m.Summary.Reasons[s] {
			want[string(r)] = n
		}
		v.sameCounts(t.file, "records with reason ", want, found)
		return listCounts(found)
	})
}

// passes compares matches and pairs of every pass with the summary.
func (v *verifier) passes() {
	t, ok := v.table(MatchedFile)
	if !ok {
		return
	}
	v.check("passes", func() string {
		pairs, err := t.counts(v.ctx, "SELECT CAST(pass AS VARCHAR), count(*) FROM "+t.from+" GROUP BY 1")
		if err != nil {
			v.unread(t, err)
			return "not counted"
		}
		matches, err := t.counts(v.ctx, "SELECT p, count(*) FROM (SELECT DISTINCT CAST(pass AS VARCHAR) AS p, match_id FROM "+t.from+") GROUP BY 1")
		if err != nil {
			v.unread(t, err)
			return "not counted"
		}
		wantPairs, wantMatches := map[string]int64{}, map[string]int64{}
		var sum int64
		for _, p := range v.m.Summary.Passes {
			wantPairs[p.Name] += p.Pairs
			wantMatches[p.Name] += p.Matches
			sum += p.Matches
		}
		v.sameCounts(t.file, "pairs of pass ", wantPairs, pairs)
		v.sameCounts(t.file, "matches of pass ", wantMatches, matches)
		v.same(ManifestFile, "matches of the passes do not add up to those of the summary", v.m.Summary.Matches, sum)
		return fmt.Sprintf("%d matches: %s", sum, listCounts(matches))
	})
}

// breaks compares the differing fields with the summary.
func (v *verifier) breaks() {
	t, ok := v.table(BreaksFile)
	if !ok {
		return
	}
	v.check("breaks", func() string {
		found, err := t.counts(v.ctx, "SELECT CAST(field AS VARCHAR), count(*) FROM "+t.from+" GROUP BY 1")
		if err != nil {
			v.unread(t, err)
			return "not counted"
		}
		v.sameCounts(t.file, "breaks of ", v.m.Summary.Breaks, found)
		return listCounts(found)
	})
}

func (v *verifier) sameCounts(where, problem string, want, found map[string]int64) {
	names := sortedKeys(want)
	for name := range found {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		v.same(where, problem+strconv.Quote(name), want[name], found[name])
	}
}

// listCounts writes "amount_differs 12, no_candidate 3", or "none".
func listCounts(counts map[string]int64) string {
	var parts []string
	for _, name := range sortedKeys(counts) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
