package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

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
func Verify(ctx context.Context, dir string, q Querier) (*Report, error) {
	m, err := Load(dir)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, writeError("verifying evidence", dir, err)
	}
	data, err := os.ReadFile(filepath.Join(abs, ManifestFile))
	if err != nil {
		return nil, writeError("verifying evidence", dir, err)
	}
	seal := sha256.Sum256(data)
	v := &verifier{ctx: ctx, dir: abs, m: m, q: q}
	v.report = Report{Dir: dir, RunID: m.RunID, Seal: hex.EncodeToString(seal[:]), Findings: []Finding{}}

	v.files()
	v.rows()
	for _, s := range []kalla.Side{kalla.Left, kalla.Right} {
		v.side(s)
		v.reasons(s)
	}
	v.passes()
	v.breaks()
	if err := ctx.Err(); err != nil {
		return nil, writeError("verifying evidence", dir, err)
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
	if _, statErr := os.Stat(filepath.Join(v.dir, t.file)); statErr != nil {
		return // reported as missing
	}
	v.wrong(t.file, "cannot be read as the manifest describes it", "", firstLine(err))
}

func (v *verifier) table(file string) (table, bool) {
	_, listed := v.m.Files[file]
	return openTable(v.q, v.dir, file), listed && !v.unreadable[file]
}

// files compares the folder with the manifest: names, sizes, hashes.
func (v *verifier) files() {
	v.check("files", func() string {
		present := map[string]bool{}
		entries, err := os.ReadDir(v.dir)
		if err != nil {
			v.failed = writeError("verifying evidence", v.report.Dir, err)
			return ""
		}
		for _, e := range entries {
			present[e.Name()] = true
			if _, ok := v.m.Files[e.Name()]; !ok && e.Name() != ManifestFile {
				v.wrong(e.Name(), "is not part of the evidence", "no such file", "a file that the manifest does not name")
			}
		}
		for _, name := range append(requiredTables(), SummaryFile) {
			if _, ok := v.m.Files[name]; !ok {
				v.wrong(ManifestFile, "does not name "+name, "an entry", "none")
			}
		}
		var names []string
		for _, name := range sortedKeys(v.m.Files) {
			if filepath.Base(name) != name || !present[name] {
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
			var n int64
			if err := t.row(v.ctx, "SELECT count(*) FROM "+t.from, &n); err != nil {
				v.unread(t, err)
				continue
			}
			total += n
			v.same(name, "rows differ from the manifest", v.m.Files[name].Rows, n)
		}
		if t, ok := v.table(MatchedFile); ok {
			v.same(t.file, "rows of the manifest differ from pairs of the summary", v.m.Summary.Pairs, v.m.Files[t.file].Rows)
		}
		return fmt.Sprintf("%d rows in all", total)
	})
}

// side proves conservation of one side: each record is in one place, and
// counts and sums add up to what was read.
func (v *verifier) side(s kalla.Side) {
	src, sum := v.m.Side(s)
	matched, okM := v.table(MatchedFile)
	unmatched, okU := v.table(UnmatchedFile(s))
	if !okM || !okU || len(src.PrimaryKey) == 0 {
		if len(src.PrimaryKey) == 0 {
			v.check(string(s)+" records", func() string {
				v.wrong(ManifestFile, string(s)+" has no primary key", "at least one column", "none")
				return ""
			})
		}
		return
	}
	amounts := sortedKeys(sum.Sums)
	if v.m.Level == Keys {
		amounts = nil
	}
	reason := reasonColumn(src, v.m.Level)
	var m, u sideCounts
	v.check(string(s)+" records", func() string {
		var err error
		if m, err = v.countMatched(matched, s, src.PrimaryKey, amounts); err != nil {
			v.unread(matched, err)
			return "not counted"
		}
		if u, err = v.countUnmatched(unmatched, src.PrimaryKey, amounts, reason); err != nil {
			v.unread(unmatched, err)
			return "not counted"
		}
		overlap, err := v.overlap(matched, unmatched, s, src.PrimaryKey, reason)
		if err != nil {
			v.unread(matched, err)
			return "not counted"
		}
		v.same(unmatched.file, "records that are also in "+MatchedFile, 0, overlap)
		v.same(unmatched.file, "records listed more than once", 0, u.records-u.badKeys-u.keys)
		v.same(matched.file, string(s)+" records whose amounts differ from one pair to another", 0, m.records-m.keys)
		v.same(matched.file, "matched "+string(s)+" records", sum.Matched, m.keys)
		v.same(unmatched.file, "unmatched records", sum.Unmatched, u.records)
		v.same(unmatched.file, "records with a bad key", sum.BadKeys, u.badKeys)
		v.same(ManifestFile, string(s)+" rows of the source differ from the total of the summary", src.Rows, sum.Total)
		v.same(string(s), "matched + unmatched is not the total", sum.Total, m.keys+u.records)
		return fmt.Sprintf("%d = %d matched + %d unmatched", m.keys+u.records, m.keys, u.records)
	})
	if len(sum.Sums) == 0 {
		return
	}
	v.check(string(s)+" sums", func() string {
		if v.m.Level == Keys {
			return "not in the files: the run kept keys only"
		}
		if m.sums == nil || u.sums == nil {
			v.wrong(string(s), "sums cannot be proved", "readable files", "see above")
			return "not summed"
		}
		var detail []string
		for _, a := range amounts {
			want := sum.Sums[a]
			v.sameSum(matched.file+" "+matchedColumn(s, a), "sum differs", want.Matched, m.sums[a])
			v.sameSum(unmatched.file+" "+a, "sum differs", want.Unmatched, u.sums[a])
			total := amount{m.sums[a].value.Add(u.sums[a].value), m.sums[a].float || u.sums[a].float}
			v.sameSum(string(s)+" "+a, "matched + unmatched is not the total", want.Total, total)
			detail = append(detail, fmt.Sprintf("%s %s = %s + %s", a, total.value, m.sums[a].value, u.sums[a].value))
		}
		return strings.Join(detail, ", ")
	})
}

// amount is a sum; float tells that the column holds binary floats, whose sum
// depends on the order of adding.
type amount struct {
	value kalla.Decimal
	float bool
}

// floatSlack is the share by which sums of binary floats may differ.
var floatSlack = decimal.New(1, -9)

func (v *verifier) sameSum(where, problem string, want kalla.Decimal, got amount) {
	diff := want.Sub(got.value).Abs()
	if diff.IsZero() || got.float && diff.LessThanOrEqual(want.Abs().Mul(floatSlack)) {
		return
	}
	v.wrong(where, problem, want.String(), got.value.String())
}

// sideCounts is what one file says about one side.
type sideCounts struct {
	records int64 // distinct by key and amounts in matched.parquet, rows elsewhere
	keys    int64 // distinct keys of good records
	badKeys int64
	sums    map[string]amount
}

// countMatched counts each record of a side once, however many pairs it is in.
func (v *verifier) countMatched(t table, s kalla.Side, key, amounts []string) (sideCounts, error) {
	cols, err := t.columns(v.ctx)
	if err != nil {
		return sideCounts{}, err
	}
	prefixed := func(names []string) []string {
		out := make([]string, len(names))
		for i, n := range names {
			out[i] = matchedColumn(s, n)
		}
		return out
	}
	keyCols, amountCols := prefixed(key), prefixed(amounts)
	if err := requireColumns(cols, append(slices.Clone(keyCols), amountCols...)); err != nil {
		return sideCounts{}, err
	}
	// An amount that is part of the key is selected once.
	selected := slices.Clone(keyCols)
	for _, a := range amountCols {
		if !slices.Contains(selected, a) {
			selected = append(selected, a)
		}
	}
	query := fmt.Sprintf("WITH d AS MATERIALIZED (SELECT DISTINCT %s FROM %s) SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT %s FROM d)), 0%s FROM d",
		idents(selected), t.from, idents(keyCols), sumList(amountCols))
	return v.scanCounts(t, query, cols, amounts, amountCols)
}

// countUnmatched counts the rows of an unmatched file.
func (v *verifier) countUnmatched(t table, key, amounts []string, reason string) (sideCounts, error) {
	cols, err := t.columns(v.ctx)
	if err != nil {
		return sideCounts{}, err
	}
	if err := requireColumns(cols, append(append(slices.Clone(key), amounts...), reason)); err != nil {
		return sideCounts{}, err
	}
	query := fmt.Sprintf("SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT %s FROM %s WHERE %s IS DISTINCT FROM %s)), count(*) FILTER (%[3]s = %[4]s)%s FROM %[2]s",
		idents(key), t.from, ident(reason), literal(string(kalla.BadKey)), sumList(amounts))
	return v.scanCounts(t, query, cols, amounts, amounts)
}

func (v *verifier) scanCounts(t table, query string, cols []column, amounts, amountCols []string) (sideCounts, error) {
	var c sideCounts
	texts := make([]string, len(amounts))
	dest := []any{&c.records, &c.keys, &c.badKeys}
	for i := range texts {
		dest = append(dest, &texts[i])
	}
	if err := t.row(v.ctx, query, dest...); err != nil {
		return sideCounts{}, err
	}
	c.sums = make(map[string]amount, len(amounts))
	for i, a := range amounts {
		d, err := decimal.NewFromString(texts[i])
		if err != nil {
			return sideCounts{}, fmt.Errorf("the sum of %s is %q", amountCols[i], texts[i])
		}
		col, _ := find(cols, amountCols[i])
		c.sums[a] = amount{d, col.float()}
	}
	return c, nil
}

func sumList(cols []string) string {
	var b strings.Builder
	for _, c := range cols {
		fmt.Fprintf(&b, ", coalesce(CAST(sum(%s) AS VARCHAR), '0')", ident(c))
	}
	return b.String()
}

// overlap counts good unmatched records that are in a match as well.
func (v *verifier) overlap(matched, unmatched table, s kalla.Side, key []string, reason string) (int64, error) {
	on := make([]string, len(key))
	for i, k := range key {
		on[i] = "u." + ident(k) + " = m." + ident(matchedColumn(s, k))
	}
	var n int64
	err := matched.row(v.ctx, fmt.Sprintf("SELECT count(*) FROM %s u SEMI JOIN %s m ON (%s) WHERE u.%s IS DISTINCT FROM %s",
		unmatched.from, matched.from, strings.Join(on, " AND "), ident(reason), literal(string(kalla.BadKey))), &n)
	return n, err
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

func requireColumns(cols []column, names []string) error {
	for _, n := range names {
		if _, ok := find(cols, n); !ok {
			return errors.New("there is no column " + n)
		}
	}
	return nil
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
