package statetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kalla/internal/state"
)

// testAudit: many writers in several processes make one chain without gaps, which anybody can compute again.
func testAudit(t *testing.T, url string) {
	ctx := t.Context()
	stores := []*state.Store{Open(t, url, nil), Open(t, url, nil)}
	const writers, each = 20, 8
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			ctx := as(ctx, fmt.Sprint("user", w))
			for i := range each {
				var err error
				if i%2 == 0 {
					err = stores[w%2].Record(ctx, "test", "thing", fmt.Sprint(w), map[string]any{"i": i, "text": "O'Brien \\ <\u2028>"})
				} else {
					_, err = stores[w%2].SaveSource(ctx, source(fmt.Sprint("s", w, "_", i), "s3cr3t"))
				}
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	p := must(stores[0].VerifyAudit(ctx))(t)
	ok(t, p.Error())
	equal(t, "entries", p.Entries, writers*each)

	// The hash, as documented, without the code under test.
	prev := []byte{}
	seen := map[string]int{}
	all := map[int64]state.Entry{}
	for before := int64(0); ; {
		page := must(stores[1].Entries(ctx, state.AuditFilter{Before: before, Limit: 100}))(t)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			all[e.Seq] = e
		}
		before = page[len(page)-1].Seq
	}
	for seq := int64(1); seq <= writers*each; seq++ {
		e, there := all[seq]
		if !there {
			t.Fatalf("entry %d is missing", seq)
		}
		text, err := json.Marshal([]string{strconv.FormatInt(seq, 10), e.At.Format(time.RFC3339Nano), e.ActorID, e.ActorName, e.Address, e.Action, e.ObjectType, e.ObjectID, string(e.Detail)})
		ok(t, err)
		want := sha256.Sum256(append(bytes.Clone(prev), text...))
		if !bytes.Equal(e.Hash, want[:]) || !bytes.Equal(e.PrevHash, prev) {
			t.Fatalf("entry %d does not follow: %+v", seq, e)
		}
		if strings.Contains(string(text), "s3cr3t") {
			t.Fatalf("a credential in %s", text)
		}
		prev = e.Hash
		seen[e.ActorName]++
	}
	equal(t, "entries of user3", seen["user3@example.com"], each)
	equal(t, "entries of user3", len(must(stores[0].Entries(ctx, state.AuditFilter{ActorID: "user3", Action: "test", Limit: 100}))(t)), each/2)
}

// testTampering: the database refuses to change the log, and whoever gets around that is found out.
func testTampering(t *testing.T, url string) {
	ctx := t.Context()
	s := Open(t, url, nil)
	for i := range 6 {
		ok(t, s.Record(ctx, "test", "thing", fmt.Sprint(i), nil))
	}
	refused := []string{"UPDATE audit SET actor_id = 'eve' WHERE seq = 3", "DELETE FROM audit WHERE seq = 3", "DELETE FROM audit"}
	disable := []string{"DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"}
	if s.Kind() == "postgres" {
		refused = append(refused, "TRUNCATE audit")
		disable = []string{"ALTER TABLE audit DISABLE TRIGGER USER"}
	}
	for _, q := range refused {
		if err := exec(t, s, q); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", q, err)
		}
	}
	ok(t, must(s.VerifyAudit(ctx))(t).Error())

	for _, q := range append(disable, "CREATE TABLE copy AS SELECT * FROM audit") {
		ok(t, exec(t, s, q))
	}
	for _, c := range []struct {
		broken     int64
		statements []string
	}{
		{3, []string{"UPDATE audit SET detail = '{\"x\":1}' WHERE seq = 3"}},
		{1, []string{"UPDATE audit SET actor_name = 'eve' WHERE seq = 1"}},
		{4, []string{"DELETE FROM audit WHERE seq = 4"}},
		{6, []string{"DELETE FROM audit WHERE seq = 6"}},
		{1, []string{"DELETE FROM audit"}},
		{2, []string{"UPDATE audit SET hash = prev_hash WHERE seq = 2"}},
		{4, []string{"DELETE FROM audit WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 5", "UPDATE audit SET seq = 5 WHERE seq = 6"}},
		{7, []string{"INSERT INTO audit SELECT 7, at, actor_id, actor_name, address, action, object_type, object_id, detail, prev_hash, hash FROM copy WHERE seq = 6"}},
	} {
		for _, q := range c.statements {
			ok(t, exec(t, s, q))
		}
		p := must(s.VerifyAudit(ctx))(t)
		equal(t, fmt.Sprintf("broken by %v (%s)", c.statements, p.Why), p.Broken, c.broken)
		if p.Error() == nil {
			t.Error("no error")
		}
		ok(t, exec(t, s, "DELETE FROM audit"))
		ok(t, exec(t, s, "INSERT INTO audit SELECT * FROM copy"))
		ok(t, must(s.VerifyAudit(ctx))(t).Error())
	}
}
