package records_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/objects"
	"kalla/internal/source"
	"kalla/internal/testenv"
)

// storage is a bucket with its credentials.
type storage struct {
	server       *testenv.S3Server
	name, access string // access is the query of a URI
}

func newStorage(t testing.TB) storage {
	s := testenv.S3(t)
	return storage{s, s.Bucket(t), "?endpoint=" + url.QueryEscape(s.Endpoint) + "&region=" + s.Region + "&key_id=" + s.AccessKey + "&secret=" + url.PathEscape(s.SecretKey)}
}

func (s storage) uri(prefix string) string { return "s3://" + s.name + "/" + prefix + s.access }

// inParts publishes the evidence of a folder once more, as a cluster would have
// left it: so many rows a part, columns under other names.
func (s storage) inParts(t testing.TB, dir, to string, rows int64) {
	t.Helper()
	ctx := context.Background()
	m, _, err := locate(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	from, err := objects.Open(s.uri("cluster"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	l, err := evidence.Locate(to, t.TempDir(), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	w, err := evidence.Begin(ctx, l, m.RunID)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	p := openPlain(t, dir)
	for _, name := range evidence.Tables() {
		f := m.Files[name]
		table := records.Table(strings.TrimSuffix(name, ".parquet"))
		columns := make([]string, len(f.Schema))
		for i := range columns {
			columns[i] = fmt.Sprintf("c_%02x", i)
		}
		var parts []engine.Part
		for at := int64(0); at < f.Rows; at += rows {
			file := filepath.Join(t.TempDir(), "part")
			if _, err := p.Exec(fmt.Sprintf("COPY (SELECT * FROM (SELECT * EXCLUDE (no) FROM (SELECT * FROM %s WHERE no > %d AND no <= %d ORDER BY no)) AS t(%s)) TO '%s' (FORMAT parquet)",
				p.from(table), at, at+rows, strings.Join(columns, ", "), file)); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			key := fmt.Sprintf("%s/%06d", table, at)
			s.server.Put(t, s.name, "cluster/"+key, data)
			parts = append(parts, engine.Part{URI: from.String() + "/" + key, Bytes: int64(len(data)), Rows: min(rows, f.Rows-at)})
		}
		if err := w.Take(ctx, name, f.Schema, parts, from); err != nil {
			t.Fatal(err)
		}
	}
	published := *m
	published.Files = map[string]evidence.File{}
	if err := w.Publish(ctx, published); err != nil {
		t.Fatal(err)
	}
}

// TestParts answers from parts, in a folder and in a bucket, what it answers from files.
func TestParts(t *testing.T) {
	s := newStorage(t)
	dir := reconcile(t, data(t, 700), "full", nil)
	folder, bucket := filepath.Join(t.TempDir(), "it's [parts]"), s.uri("runs/1")
	s.inParts(t, dir, folder, 90)
	s.inParts(t, dir, bucket, 350)
	reader := openReader(t)
	store := openOver(t, reader, s.locateWith(reader), records.Options{})
	want := openRun(t, store, dir)
	wantPlain := openPlain(t, dir)
	by := func(columns ...string) (out []records.Sort) {
		for _, c := range columns {
			out = append(out, records.Sort{Column: c, Desc: len(out)%2 == 0})
		}
		return out
	}
	for name, at := range map[string]string{"folder": folder, "bucket": bucket} {
		t.Run(name, func(t *testing.T) {
			got := openRun(t, store, at)
			for _, q := range []records.Query{
				{Table: records.Matched, Limit: 70},
				{Table: records.Matched, Limit: 50, Sort: by("left_amount", "right_payment_date")},
				{Table: records.Matched, Limit: 100, Sort: by("left_currency"), Filters: []kalla.Filter{{Column: "left_invoice_date", Op: kalla.FilterLt, Values: []string{"2026-07-01"}}}},
				{Table: records.Matched, Limit: 30, NoCount: true, Search: "b.v", Columns: []string{"right_payment_id", "left_invoice_id"}},
				{Table: records.UnmatchedLeft, Limit: 30, Search: "inv-", Sort: by("invoice_id")},
				{Table: records.UnmatchedRight, Limit: 30, Reasons: []kalla.Reason{kalla.AmountDiffers, kalla.NoCandidate}},
				{Table: records.Breaks, Limit: 30},
				{Table: records.Candidates, Limit: 30, Sort: by("rival_key")},
			} {
				answer := all(t, want, q)
				if d := difference(all(t, got, q), answer); d != "" {
					t.Errorf("%+v: %s", q, d)
				}
				if len(answer) == 0 {
					t.Errorf("%+v: no rows", q)
				}
				q.From = int64(len(answer) / 2)
				if d := difference(linesOf(get(t, got, q)), linesOf(get(t, want, q))); d != "" {
					t.Errorf("%+v: %s", q, d)
				}
			}
			ctx := context.Background()
			for table, key := range map[records.Table]string{records.Matched: "left_invoice_id", records.UnmatchedLeft: "invoice_id", records.Candidates: "CASE WHEN side = 'left' THEN key END"} {
				id := wantPlain.text(t, "SELECT max("+key+") FROM "+wantPlain.from(table))
				same(t, id, must(got.Record(ctx, kalla.Left, id))(t), must(want.Record(ctx, kalla.Left, id))(t))
			}
			same(t, "waterfall", must(got.Waterfall(ctx))(t), must(want.Waterfall(ctx))(t))
			same(t, "reasons", must(got.Reasons(ctx, kalla.Right))(t), must(want.Reasons(ctx, kalla.Right))(t))
			same(t, "differences", must(got.Differences(ctx, records.Matched))(t), must(want.Differences(ctx, records.Matched))(t))
			same(t, "ageing", must(got.Ageing(ctx, kalla.Left, ""))(t), must(want.Ageing(ctx, kalla.Left, ""))(t))
			same(t, "currencies", must(got.Currencies(ctx, kalla.Left))(t), must(want.Currencies(ctx, kalla.Left))(t))
			for side, counts := range must(store.Compare(ctx, want, got))(t).Counts {
				for change, n := range counts {
					if n != 0 {
						t.Errorf("%s: %d records %s", side, n, change)
					}
				}
			}
		})
	}

	// A cursor belongs to the parts it was given for, and a part that is gone is missed.
	q := records.Query{Table: records.Matched, Limit: 10}
	q.Cursor = get(t, openRun(t, store, bucket), q).Next
	_, err := openRun(t, store, folder).Page(context.Background(), q)
	wantError(t, err, kalla.CodeUsage, "another query or run")
	if err := os.Remove(filepath.Join(folder, "matched", "00001.parquet")); err != nil {
		t.Fatal(err)
	}
	_, err = openRun(t, store, folder).Page(context.Background(), records.Query{Table: records.Matched, From: 95, Limit: 10})
	wantError(t, err, kalla.CodeEvidence, "matched", "missing or damaged")
}

// same compares two answers as the API would give them.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	a, errA := json.Marshal(got)
	b, errB := json.Marshal(want)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("%s: %s\nwant %s", what, a, b)
	}
}

// locateWith finds evidence in folders and in the bucket, which the reader may read.
func (s storage) locateWith(reader *duckdb.Reader) records.Locate {
	return func(ctx context.Context, location string) (*evidence.Manifest, string, error) {
		if !objects.IsURI(location) {
			return locate(ctx, location)
		}
		l, err := evidence.Locate(location, os.TempDir(), noEnv)
		if err != nil {
			return nil, "", err
		}
		m, err := evidence.Load(ctx, l)
		if err != nil {
			return nil, "", err
		}
		src, err := source.Parse(strings.Split(location, "?")[0]+"/*.parquet"+s.access, nil, "", noEnv)
		if err != nil {
			return nil, "", err
		}
		return m, l.String(), reader.Grant(ctx, src)
	}
}
