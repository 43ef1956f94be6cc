package state

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"kalla"
)

// Entry is one entry of the audit log: who did what to which object, when, and
// from where. Entries are chained: each holds the hash of the one before, so
// that none can be changed, left out or slipped in without a trace.
type Entry struct {
	bun.BaseModel `bun:"table:audit"`

	Seq        int64     `bun:"seq,pk"` // from 1, without gaps
	At         time.Time `bun:"at"`
	ActorID    string    `bun:"actor_id"` // "system" for the app itself
	ActorName  string    `bun:"actor_name"`
	Address    string    `bun:"address"`
	Action     string    `bun:"action"`      // "source.save", "run.cancel"
	ObjectType string    `bun:"object_type"` // "source", "run"
	ObjectID   string    `bun:"object_id"`
	Detail     JSON      `bun:"detail"` // an object without credentials
	PrevHash   []byte    `bun:"prev_hash"`
	Hash       []byte    `bun:"hash"`
}

// digest is the SHA-256 of the previous hash, followed by the other fields as a
// JSON array of texts (the number as a decimal, the time in RFC 3339, UTC): what an auditor
// computes again from an export.
func (e *Entry) digest() []byte {
	fields, _ := json.Marshal([]string{fmt.Sprint(e.Seq), e.At.UTC().Format(time.RFC3339Nano), e.ActorID, e.ActorName, e.Address,
		e.Action, e.ObjectType, e.ObjectID, string(e.Detail)}) // texts never fail
	h := sha256.New()
	h.Write(e.PrevHash)
	h.Write(fields)
	return h.Sum(nil)
}

// head is the end of the chain.
type head struct {
	bun.BaseModel `bun:"table:audit_head"`

	ID   int64  `bun:"id,pk"`
	Seq  int64  `bun:"seq"`
	Hash []byte `bun:"hash"`
}

// audit appends an entry in the transaction of the change that it records. It
// comes last there: from it to the commit nobody else appends.
func (s *Store) audit(ctx context.Context, tx bun.IDB, action, objectType, objectID string, detail map[string]any) error {
	if detail == nil {
		detail = map[string]any{}
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	var end head
	if err := s.forUpdate(tx.NewSelect().Model(&end).Where("id = 1")).Scan(ctx); err != nil {
		return err
	}
	who := actor(ctx)
	e := Entry{
		Seq: end.Seq + 1, At: s.clock(), ActorID: plain(who.ID), ActorName: plain(who.Name), Address: plain(who.Address),
		Action: action, ObjectType: objectType, ObjectID: plain(objectID), Detail: JSON(text), PrevHash: append([]byte{}, end.Hash...),
	}
	e.Hash = e.digest()
	if _, err := tx.NewInsert().Model(&e).Exec(ctx); err != nil {
		return err
	}
	_, err = tx.NewUpdate().Model(&head{ID: 1, Seq: e.Seq, Hash: e.Hash}).WherePK().Exec(ctx)
	return err
}

// plain is a text as both databases keep it, so that the hash is that of what is stored.
func plain(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Record appends an entry for what changed nothing in the store: a failed
// sign-in, an export. The detail must hold no credential.
func (s *Store) Record(ctx context.Context, action, objectType, objectID string, detail map[string]any) error {
	return s.change(ctx, "writing the audit log", func(ctx context.Context, tx bun.Tx) error {
		return s.audit(ctx, tx, action, objectType, objectID, detail)
	})
}

// AuditFilter chooses entries; empty fields choose all.
type AuditFilter struct {
	ActorID, Action, ObjectType, ObjectID string
	Before                                int64 // entries before this number; 0 for the newest
	Limit                                 int   // 1 to 500; 0 means 50
}

// Entries returns the entries of the audit log that pass, the newest first.
func (s *Store) Entries(ctx context.Context, f AuditFilter) ([]Entry, error) {
	entries := []Entry{}
	err := s.query(ctx, "reading the audit log", func(ctx context.Context) error {
		entries = entries[:0]
		q := s.read.NewSelect().Model(&entries).OrderBy("seq", bun.OrderDesc).Limit(Page{Limit: f.Limit}.limit())
		for _, c := range [][2]string{{"actor_id", f.ActorID}, {"action", f.Action}, {"object_type", f.ObjectType}, {"object_id", f.ObjectID}} {
			if c[1] != "" {
				q = q.Where("? = ?", bun.Ident(c[0]), c[1])
			}
		}
		if f.Before > 0 {
			q = q.Where("seq < ?", f.Before)
		}
		return q.Scan(ctx)
	})
	return entries, err
}

// Proof says whether the audit log is whole.
type Proof struct {
	Entries int64  // that were looked at
	Broken  int64  // number of the first entry that does not fit; 0 if all do
	Why     string // what is wrong with it
}

// VerifyAudit follows the chain from its beginning to its end.
func (s *Store) VerifyAudit(ctx context.Context) (Proof, error) {
	const op = "verifying the audit log"
	var p Proof
	err := s.query(ctx, op, func(ctx context.Context) error {
		// One moment for the log and its end, while others go on appending.
		return s.read.RunInTx(ctx, s.snapshot, func(ctx context.Context, tx bun.Tx) error {
			p = Proof{}
			var end head
			if err := tx.NewSelect().Model(&end).Where("id = 1").Scan(ctx); err != nil {
				return err
			}
			hash, err := p.follow(ctx, s.read, tx)
			if err != nil || p.Broken != 0 {
				return err
			}
			if p.Entries != end.Seq || !bytes.Equal(hash, end.Hash) {
				p.Broken, p.Why = p.Entries+1, "entries are missing at the end"
			}
			return nil
		})
	})
	return p, err
}

// follow checks entry by entry and returns the hash of the last.
func (p *Proof) follow(ctx context.Context, db *bun.DB, tx bun.Tx) (hash []byte, err error) {
	rows, err := tx.NewSelect().Model((*Entry)(nil)).OrderBy("seq", bun.OrderAsc).Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hash = []byte{}
	for rows.Next() {
		var e Entry
		if err := db.ScanRow(ctx, rows, &e); err != nil {
			return nil, err
		}
		switch {
		case e.Seq != p.Entries+1:
			p.Broken, p.Why = p.Entries+1, "it is missing"
		case !bytes.Equal(e.PrevHash, hash):
			p.Broken, p.Why = e.Seq, "it does not follow the entry before"
		case !bytes.Equal(e.Hash, e.digest()):
			p.Broken, p.Why = e.Seq, "it was changed"
		}
		if p.Broken != 0 {
			return nil, nil
		}
		p.Entries, hash = e.Seq, e.Hash
	}
	return hash, rows.Err()
}

// Error makes an error of a proof that found something, nil of one that did not.
func (p Proof) Error() error {
	if p.Broken == 0 {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeEvidence, Op: "verifying the audit log", Where: fmt.Sprintf("entry %d", p.Broken), Why: p.Why,
		Hint: "compare with a backup: somebody with access to the database has changed it"}
}
