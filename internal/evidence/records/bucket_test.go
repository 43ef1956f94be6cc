package records_test

import (
	"strings"
	"testing"

	"kalla"
	"kalla/internal/evidence/records"
)

// TestBucket reads the same run from a bucket and from a folder.
func TestBucket(t *testing.T) {
	s := newStorage(t)
	bucket := s.uri("runs/one")
	in := data(t, 300)
	r, doc := bound(t, in, nil)
	reconcileTo(t, in, bucket, "full", r, doc)
	dir := reconcile(t, in, "full", nil)

	reader := openReader(t)
	store := openOver(t, reader, s.locateWith(reader), records.Options{})
	far, near := openRun(t, store, bucket), openRun(t, store, dir)
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

	_, err := openRun(t, store, bucket).Page(t.Context(), records.Query{Table: records.Matched, Columns: []string{"nobody"}})
	wantError(t, err, kalla.CodeUsage, "nobody")
	if strings.Contains(err.Error(), s.server.SecretKey) {
		t.Error("the error holds the secret")
	}
}
