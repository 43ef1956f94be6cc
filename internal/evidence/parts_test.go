package evidence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/evidence"
	"kalla/internal/objects"
)

// cluster is what the workers of a cluster left in a bucket: the fixture, two
// rows a part, its columns under other names.
type cluster struct {
	bucket bucket
	from   *objects.Prefix
	parts  map[string][]engine.Part
	schema map[string]kalla.Schema
}

// rival is a table without rows, and so without parts.
const rival = `SELECT 'exact' AS pass, 'left' AS side, 'A' AS key, 'P9' AS rival_key, true AS chosen WHERE false`

func newCluster(t *testing.T, d db) *cluster {
	t.Helper()
	b := newBucket(t)
	from, err := objects.Open(b.uri("cluster/run 1+", nil), noEnv)
	must(t, err)
	t.Cleanup(from.Close)
	c := &cluster{bucket: b, from: from, parts: map[string][]engine.Part{}, schema: map[string]kalla.Schema{}}
	for name, query := range fixture {
		c.add(t, d, name, query)
	}
	c.schema[evidence.CandidatesFile] = describe(t, d, rival)
	return c
}

func (c *cluster) add(t *testing.T, d db, name, query string) {
	t.Helper()
	c.schema[name] = describe(t, d, query)
	var names []string
	for i := range c.schema[name] {
		names = append(names, fmt.Sprintf("x%d_6d", i))
	}
	var rows int64
	must(t, d.QueryRow("SELECT count(*) FROM ("+query+")").Scan(&rows))
	for at := int64(0); at < rows; at += 2 {
		file := filepath.Join(t.TempDir(), "part")
		copyTo(t, d, fmt.Sprintf("SELECT * FROM (%s) AS q(%s) LIMIT 2 OFFSET %d", query, strings.Join(names, ", "), at), file)
		data, err := os.ReadFile(file)
		must(t, err)
		key := fmt.Sprintf("%s/2026_%d_ä", name, at)
		c.bucket.server.Put(t, c.bucket.name, "cluster/run 1+/"+key, data)
		c.parts[name] = append(c.parts[name], engine.Part{URI: c.from.String() + "/" + key, Bytes: int64(len(data)), Rows: min(2, rows-at)})
	}
}

// describe is the schema of a query.
func describe(t *testing.T, d db, query string) kalla.Schema {
	t.Helper()
	rows, err := d.Query(t.Context(), "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	must(t, err)
	defer rows.Close()
	var out kalla.Schema
	for rows.Next() {
		var name, typ string
		must(t, rows.Scan(&name, &typ))
		c := kalla.Column{Name: name, Type: kalla.Type{Kind: kalla.Text}}
		switch {
		case strings.HasPrefix(typ, "DECIMAL"):
			c.Type.Kind = kalla.DecimalKind
			_, err := fmt.Sscanf(typ, "DECIMAL(%d,%d)", &c.Type.Precision, &c.Type.Scale)
			must(t, err)
		case typ != "VARCHAR":
			c.Type.Kind = map[string]kalla.Kind{"DATE": kalla.Date, "BOOLEAN": kalla.Boolean, "TIMESTAMP WITH TIME ZONE": kalla.TimestampTZ}[typ]
		}
		out = append(out, c)
	}
	must(t, rows.Err())
	return out
}

// take brings all tables in.
func (c *cluster) take(ctx context.Context, w *evidence.Writer) error {
	for _, name := range slices.Sorted(maps.Keys(c.schema)) {
		if err := w.Take(ctx, name, c.schema[name], c.parts[name], c.from); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes evidence in parts.
func (c *cluster) publish(t *testing.T, l evidence.Location) {
	t.Helper()
	w, err := evidence.Begin(t.Context(), l, "run-1")
	must(t, err)
	defer w.Abort()
	must(t, c.take(t.Context(), w))
	m := fixtureManifest()
	m.Files = map[string]evidence.File{}
	must(t, w.Publish(t.Context(), m))
}

// TestParts: evidence in parts is what the same evidence in files is, wherever it lies.
func TestParts(t *testing.T) {
	d := openDB(t)
	c := newCluster(t, d)
	single := publish(t, d, fixtureManifest(), nil)
	far := newBucket(t)
	proxy := far.proxy(t)
	want := map[string]string{}
	for name := range fixture {
		want[name] = ""
	}
	csvOf := func(l evidence.Location) map[string]string {
		dest := filepath.Join(t.TempDir(), "csv")
		_, err := evidence.Export(t.Context(), l, dest, evidence.ExportOptions{Format: evidence.CSV}, d)
		must(t, err)
		return contents(t, dest)
	}
	wantCSV := csvOf(at(single))
	wantCSV["candidates.csv"] = "pass,side,key,rival_key,chosen\n"
	wantBook := book(t, d, at(single))
	wantBook["Candidates"] = []string{"pass|side|key|rival_key|chosen"}
	for name, l := range map[string]evidence.Location{
		"a folder":                     at(filepath.Join(t.TempDir(), "it's [1]", "out")),
		"a bucket of the same service": locate(t, c.bucket.uri("evidence/ä [1] x", nil), t.TempDir()),
		"a bucket of another service":  locate(t, far.uri("evidence", proxy), t.TempDir()),
	} {
		t.Run(name, func(t *testing.T) {
			c.publish(t, l)
			m, err := evidence.Load(t.Context(), l)
			must(t, err)
			if m.Format != 2 || !m.Summary.Parts {
				t.Errorf("format %d, parts: %v", m.Format, m.Summary.Parts)
			}
			table, ok := m.Table(evidence.MatchedFile)
			if !ok || table.Rows != 3 || !slices.Equal(table.Files, []string{"matched/00000.parquet", "matched/00001.parquet"}) || table.Place() != "matched" {
				t.Errorf("matched is %+v", table)
			}
			r, err := evidence.Verify(t.Context(), l, d)
			must(t, err)
			if !r.OK() || len(r.Checks) < 8 {
				t.Errorf("%d checks find %v", len(r.Checks), r.Findings)
			}
			if got := csvOf(l); !maps.Equal(got, wantCSV) {
				t.Errorf("CSV:\n%v\nwant:\n%v", got, wantCSV)
			}
			if got := book(t, d, l); !maps.EqualFunc(got, wantBook, slices.Equal) {
				t.Errorf("workbook:\n%v\nwant:\n%v", got, wantBook)
			}

			// As Parquet it is evidence with a file for each table, which says the same.
			merged := filepath.Join(t.TempDir(), "merged")
			written, err := evidence.Export(t.Context(), l, merged, evidence.ExportOptions{Format: evidence.Parquet}, d)
			must(t, err)
			const files = "breaks.parquet candidates.parquet manifest.json matched.parquet summary.json unmatched_left.parquet unmatched_right.parquet"
			if got := entries(t, merged); got != files || len(written) != 7 {
				t.Errorf("exported: %s; written: %s", got, written)
			}
			if r := verify(t, merged, d); !r.OK() {
				t.Errorf("the export is wrong: %v", r.Findings)
			}
			if got := csvOf(at(merged)); !maps.Equal(got, wantCSV) {
				t.Errorf("CSV of the export:\n%v\nwant:\n%v", got, wantCSV)
			}

			f, err := evidence.OpenFile(t.Context(), l, m, "matched/00001.parquet")
			must(t, err)
			data, err := io.ReadAll(f)
			must(t, err)
			must(t, f.Close())
			if int64(len(data)) != m.Files["matched/00001.parquet"].Bytes {
				t.Errorf("the part has %d bytes", len(data))
			}
			if _, err := evidence.OpenFile(t.Context(), l, m, "matched/../manifest.json"); code(err) != kalla.CodeUsage {
				t.Errorf("another file: %v", err)
			}
		})
	}
}

// contents are the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	out := map[string]string{}
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		out[e.Name()] = string(data)
	}
	return out
}

// book exports a workbook and reads its sheets but for the summary.
func book(t *testing.T, d db, l evidence.Location) map[string][]string {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "book.xlsx")
	_, err := evidence.Export(t.Context(), l, dest, evidence.ExportOptions{Format: evidence.XLSX}, d)
	must(t, err)
	f, err := excelize.OpenFile(dest)
	must(t, err)
	defer f.Close()
	out := map[string][]string{}
	for _, sheet := range f.GetSheetList() {
		if sheet != "Summary" {
			out[sheet] = cells(t, f, sheet)
		}
	}
	return out
}

// TestPartsTypes: times with a zone come in UTC without one, and what else has
// no type of its own as text; both are read as what they are.
func TestPartsTypes(t *testing.T) {
	d := openDB(t)
	c := newCluster(t, d)
	c.parts[evidence.BreaksFile] = nil
	c.add(t, d, evidence.BreaksFile, "SELECT '2/B' AS match_id, 'ccy' AS field, TIMESTAMP '2026-03-29 01:30:00.000001' AS made, '12:30:00' AS hour, 'own' AS \"File_Row_Number\" FROM range(5)")
	c.schema[evidence.BreaksFile][2].Type.Kind = kalla.TimestampTZ
	c.schema[evidence.BreaksFile][3].Type.Kind = kalla.Other
	l := at(filepath.Join(t.TempDir(), "out"))
	c.publish(t, l)
	m, err := evidence.Load(t.Context(), l)
	must(t, err)
	table, _ := m.Table(evidence.BreaksFile)
	_, err = d.Exec("SET TimeZone = 'Asia/Tokyo'") // whatever the zone of the reader
	must(t, err)
	var got string
	must(t, d.QueryRow("SELECT any_value(concat_ws(' ', typeof(made), hour, epoch_us(made), file_row_number)) FROM "+table.From(l.String())).Scan(&got))
	if want := "TIMESTAMP WITH TIME ZONE 12:30:00 1774747800000001 own"; got != want {
		t.Errorf("read %s, want %s", got, want)
	}
	// A column that is called as DuckDB calls its own does not stand in the way of numbers.
	from, number := table.Numbered(l.String())
	must(t, d.QueryRow("SELECT string_agg("+number+", ' ' ORDER BY "+number+") || '; ' || (SELECT string_agg("+number+", ' ' ORDER BY "+number+") FROM "+table.Pick(l.String(), []int64{4, 1})+") FROM "+from).Scan(&got))
	if got != "0 1 2 3 4; 1 4" {
		t.Errorf("rows are numbered %s", got)
	}
}

// TestPartsTampered: a part that was changed, taken away, added or swapped is found.
func TestPartsTampered(t *testing.T) {
	d := openDB(t)
	c := newCluster(t, d)
	for _, test := range []struct {
		name   string
		tamper func(t *testing.T, dir string)
		want   []string
	}{
		{"one bit flipped", func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "unmatched_left", "00001.parquet")) },
			[]string{"unmatched_left/00001.parquet: was changed: its SHA-256 differs"}},
		{"removed", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "matched", "00001.parquet"))) },
			[]string{"matched/00001.parquet: is missing"}},
		{"added", func(t *testing.T, dir string) {
			must(t, os.Link(filepath.Join(dir, "matched", "00001.parquet"), filepath.Join(dir, "matched", "00002.parquet")))
		}, []string{"matched/00002.parquet: is not part of the evidence"}},
		{"added to a table without rows", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "candidates", "x"), nil, 0o600))
		}, []string{"candidates/x: is not part of the evidence"}},
		{"a folder added", func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "more"), 0o700)) },
			[]string{"more: is not part of the evidence"}},
		{"swapped", func(t *testing.T, dir string) {
			first, second := filepath.Join(dir, "matched", "00000.parquet"), filepath.Join(dir, "matched", "00001.parquet")
			must(t, os.Rename(first, first+"x"))
			must(t, os.Rename(second, first))
			must(t, os.Rename(first+"x", second))
		}, []string{"matched/00000.parquet: was changed", "matched/00001.parquet: was changed", "matched/00000.parquet: rows differ from the manifest: expected 2, found 1"}},
		{"left out of the manifest", func(t *testing.T, dir string) {
			edit(t, dir, func(m map[string]any) { delete(m["files"].(map[string]any), "unmatched_left/00001.parquet") })
		}, []string{"unmatched_left/00001.parquet: is not part of the evidence", "unmatched_left: unmatched records: expected 3, found 2"}},
		{"a table left out of the manifest", func(t *testing.T, dir string) {
			edit(t, dir, func(m map[string]any) { delete(m["tables"].(map[string]any), "matched") })
		}, []string{"manifest.json: does not name matched.parquet"}},
		{"columns left out of the manifest", func(t *testing.T, dir string) {
			edit(t, dir, func(m map[string]any) {
				tables := m["tables"].(map[string]any)
				tables["matched"] = tables["matched"].([]any)[:6]
			})
		}, []string{"matched: cannot be read as the manifest describes it: there is no column left_amount"}},
		{"a manifest that names other files", func(t *testing.T, dir string) {
			edit(t, dir, func(m map[string]any) {
				m["files"].(map[string]any)["matched/../../secret"] = map[string]any{"sha256": "", "bytes": 1}
			})
		}, []string{"matched/../../secret: is missing"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			c.publish(t, at(dir))
			test.tamper(t, dir)
			found := lines(verify(t, dir, d))
			for _, want := range test.want {
				if !strings.Contains(found, want) {
					t.Errorf("no finding %q in:\n%s", want, found)
				}
			}
		})
	}

	l := locate(t, c.bucket.uri("evidence", nil), t.TempDir())
	c.publish(t, l)
	c.bucket.server.Put(t, c.bucket.name, "evidence/matched/00007.parquet", []byte("x"))
	c.bucket.server.Put(t, c.bucket.name, "evidence/breaks/00000.parquet", []byte("x"))
	r, err := evidence.Verify(t.Context(), l, d)
	must(t, err)
	for _, want := range []string{"matched/00007.parquet: is not part of the evidence", "breaks/00000.parquet: was changed: its size differs"} {
		if !strings.Contains(lines(r), want) {
			t.Errorf("no finding %q in:\n%s", want, lines(r))
		}
	}
	if _, err := evidence.Export(t.Context(), l, filepath.Join(t.TempDir(), "x"), evidence.ExportOptions{Format: evidence.Parquet}, d); code(err) != kalla.CodeEvidence || !strings.Contains(err.Error(), "breaks/00000.parquet") {
		t.Errorf("a changed part is exported: %v", err)
	}
}

// edit changes the manifest of a folder.
func edit(t *testing.T, dir string, change func(m map[string]any)) {
	t.Helper()
	path := filepath.Join(dir, evidence.ManifestFile)
	data, err := os.ReadFile(path)
	must(t, err)
	var m map[string]any
	must(t, json.Unmarshal(data, &m))
	change(m)
	data, err = json.Marshal(m)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o600))
}

// TestTakeRefuses: parts that are not what the cluster said, and a place that another run took.
func TestTakeRefuses(t *testing.T) {
	d := openDB(t)
	c := newCluster(t, d)
	matched := c.parts[evidence.MatchedFile]
	change := func(to func(p *engine.Part)) []engine.Part {
		parts := slices.Clone(matched)
		to(&parts[1])
		return parts
	}
	for name, l := range map[string]evidence.Location{
		"folder": at(filepath.Join(t.TempDir(), "out")),
		"bucket": locate(t, c.bucket.uri("out", nil), t.TempDir()),
	} {
		for _, test := range []struct {
			parts []engine.Part
			why   string
		}{
			{change(func(p *engine.Part) { p.URI = "s3://" + c.bucket.name + "/elsewhere/1" }), "is not below s3://" + c.bucket.name + "/cluster/run 1+"},
			{change(func(p *engine.Part) { p.URI += "gone" }), "no such object"},
			{change(func(p *engine.Part) { p.Bytes-- }), "bytes"},
		} {
			w, err := evidence.Begin(t.Context(), l, "run-1")
			must(t, err)
			err = w.Take(t.Context(), evidence.MatchedFile, c.schema[evidence.MatchedFile], test.parts, c.from)
			if err == nil || !strings.Contains(err.Error(), test.why) || strings.Contains(fmt.Sprintf("%+v", err), c.bucket.server.SecretKey) {
				t.Errorf("%s: %v, want %s", name, err, test.why)
			}
			w.Abort()
		}
	}
	if got := c.evidence(t); len(got) > 0 {
		t.Errorf("left in the bucket: %q", got)
	}

	l := locate(t, c.bucket.uri("out", nil), t.TempDir())
	var writers []*evidence.Writer
	for _, id := range []string{"one", "two"} {
		w, err := evidence.Begin(t.Context(), l, id)
		must(t, err)
		defer w.Abort()
		writers = append(writers, w)
	}
	must(t, c.take(t.Context(), writers[0]))
	if err := c.take(t.Context(), writers[1]); code(err) != kalla.CodeUsage || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("another run took the place: %v", err)
	}
	writers[1].Abort()
	must(t, writers[0].Publish(t.Context(), evidence.Manifest{RunID: "one"}))
	if r, err := evidence.Verify(t.Context(), l, d); err != nil || strings.Contains(lines(r), "was changed") || strings.Contains(lines(r), "missing") {
		t.Errorf("the first is not whole: %v %v", err, lines(r))
	}
}

// evidence are the keys of the bucket that are not the cluster's.
func (c *cluster) evidence(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(c.bucket.keys(t), func(k string) bool { return strings.HasPrefix(k, "cluster/") })
}

// TestTakeInterrupted: what a cancelled or killed attempt brought in goes away,
// and only another attempt of the same run takes a killed one's away.
func TestTakeInterrupted(t *testing.T) {
	d := openDB(t)
	c := newCluster(t, d)
	l := locate(t, c.bucket.uri("out", nil), t.TempDir())
	killed, err := evidence.Begin(t.Context(), l, "run-1")
	must(t, err)
	must(t, c.take(t.Context(), killed))
	left := c.evidence(t)
	if len(left) != 6 || !slices.Contains(left, "out/matched/00001.parquet") {
		t.Errorf("brought in: %q", left)
	}
	if _, err := evidence.Begin(t.Context(), l, "another"); code(err) != kalla.CodeUsage || !strings.Contains(err.Error(), "another run") {
		t.Errorf("another run may begin there: %v", err)
	}
	again, err := evidence.Begin(t.Context(), l, "run-1")
	must(t, err)
	if left := c.evidence(t); len(left) > 0 {
		t.Errorf("the next attempt leaves %q", left)
	}
	// The one that was taken for dead lives, and must not publish half of it.
	if err := killed.Publish(t.Context(), fixtureManifest()); err == nil {
		t.Error("an attempt published what another took away")
	}
	killed.Abort()
	must(t, c.take(t.Context(), again))
	again.Abort()
	if left := c.evidence(t); len(left) > 0 {
		t.Errorf("an attempt that was given up leaves %q", left)
	}

	// A server that hangs is left when the run is cancelled.
	for name, to := range map[string]string{"folder": filepath.Join(t.TempDir(), "out"), "bucket": c.bucket.uri("out", nil)} {
		proxy := c.bucket.proxy(t)
		from, err := objects.Open(c.bucket.uri("cluster/run 1+", proxy), noEnv)
		must(t, err)
		defer from.Close()
		w, err := evidence.Begin(t.Context(), locate(t, to, t.TempDir()), "run-1")
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		proxy.Watch(func(int64) { cancel() })
		hangs := *c
		hangs.from = from
		if err := hangs.take(ctx, w); code(err) != kalla.CodeCanceled {
			t.Errorf("%s: %v", name, err)
		}
		w.Abort()
	}
	if left := c.evidence(t); len(left) > 0 {
		t.Errorf("a cancelled attempt leaves %q", left)
	}
}

// TestPartsMany: a prefix holds more objects than one answer of the server lists.
func TestPartsMany(t *testing.T) {
	d := openDB(t)
	c := newCluster(t, d)
	l := locate(t, c.bucket.uri("out", nil), t.TempDir())
	c.publish(t, l)
	const n = 1100
	for i := range n {
		c.bucket.server.Put(t, c.bucket.name, fmt.Sprintf("out/matched/1%04d.parquet", i), nil)
	}
	r, err := evidence.Verify(t.Context(), l, d)
	must(t, err)
	if len(r.Findings) != n {
		t.Errorf("%d findings, want one for each of %d objects:\n%.1000s", len(r.Findings), n, lines(r))
	}
}
