package records_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/source"
	"kalla/internal/testenv"
)

// TestBucket reads the same run from a bucket and from a folder.
func TestBucket(t *testing.T) {
	server := testenv.S3(t)
	base := "s3://" + server.Bucket(t) + "/runs/one"
	query := "?endpoint=" + url.QueryEscape(server.Endpoint) + "&region=" + server.Region + "&key_id=" + server.AccessKey + "&secret=" + url.PathEscape(server.SecretKey)
	in := data(t, 300)
	r, doc := bound(t, in, nil)
	reconcileTo(t, in, base+query, "full", r, doc)
	dir := reconcile(t, in, "full", nil)

	reader := openReader(t)
	store := openOver(t, reader, func(ctx context.Context, location string) (*evidence.Manifest, string, error) {
		if !strings.HasPrefix(location, "s3://") {
			return locate(ctx, location)
		}
		l, err := evidence.Locate(location, t.TempDir(), noEnv)
		if err != nil {
			return nil, "", err
		}
		m, err := evidence.Load(ctx, l)
		if err != nil {
			return nil, "", err
		}
		src, err := source.Parse(base+"/*.parquet"+query, nil, "", noEnv)
		if err != nil {
			return nil, "", err
		}
		return m, l.String(), reader.Grant(ctx, src)
	}, records.Options{})
	far, near := openRun(t, store, base+query), openRun(t, store, dir)
	for _, q := range []records.Query{
		{Table: records.Matched, Sort: []records.Sort{{Column: "left_amount", Desc: true}}, Limit: 100},
		{Table: records.UnmatchedLeft, Search: "INV", Sort: []records.Sort{{Column: "invoice_id"}}, Limit: 100},
	} {
		if d := difference(all(t, far, q), all(t, near, q)); d != "" {
			t.Errorf("%s: %s", q.Table, d)
		}
	}
	same := must(store.Compare(t.Context(), far, near))(t)
	for side, counts := range same.Counts {
		for change, n := range counts {
			if n != 0 {
				t.Errorf("%s: %d records %s", side, n, change)
			}
		}
	}

	_, err := openRun(t, store, base+query).Page(t.Context(), records.Query{Table: records.Matched, Columns: []string{"nobody"}})
	wantError(t, err, kalla.CodeUsage, "nobody")
	if strings.Contains(err.Error(), server.SecretKey) {
		t.Error("the error holds the secret")
	}
}
