package state

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"kalla"
)

// ErrBusy is that the same request is being answered at this moment.
var ErrBusy = errors.New("the same request is being answered")

// Idempotent names a request that must not be done twice.
type Idempotent struct {
	Key         string // the header Idempotency-Key
	UserID      string
	Route       string // method and path
	RequestHash []byte // of the body
}

// Answer is what a request was answered.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
}

type idempotencyKey struct {
	bun.BaseModel `bun:"table:idempotency_keys"`

	UserID      string    `bun:"user_id,pk"`
	Key         string    `bun:"key,pk"`
	Claim       string    `bun:"claim"` // whose request it is that is being answered
	Route       string    `bun:"route"`
	RequestHash []byte    `bun:"request_hash"`
	Status      int       `bun:"status"` // 0: in progress
	ContentType string    `bun:"content_type"`
	Body        []byte    `bun:"body"`
	CreatedAt   time.Time `bun:"created_at"`
	ExpiresAt   time.Time `bun:"expires_at"`
}

// Claim lets one of several equal requests be done. The caller who gets a claim
// does it, then calls Answered or Abandon; until then, but for no longer than
// busy from now or from the last Hold, the others get ErrBusy. Afterwards they get the answer instead of a
// claim. A key that was used for another request is ErrConstraint.
func (s *Store) Claim(ctx context.Context, i Idempotent, busy time.Duration) (claim string, answer *Answer, err error) {
	const op = "looking for an earlier answer"
	err = s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		claim, answer = "", nil
		now := s.clock()
		k := &idempotencyKey{UserID: i.UserID, Key: i.Key, Claim: newID(), Route: i.Route, RequestHash: i.RequestHash, CreatedAt: now, ExpiresAt: micros(now.Add(busy))}
		ours, err := changed(tx.NewInsert().Model(k).On("CONFLICT (user_id, key) DO UPDATE").
			Set("claim = EXCLUDED.claim, route = EXCLUDED.route, request_hash = EXCLUDED.request_hash, status = 0, content_type = '', body = NULL, created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at").
			Where("idempotency_key.expires_at <= ?", now).Exec(ctx))
		if err != nil {
			return err
		}
		if ours {
			claim = k.Claim
			return nil
		}
		if err := tx.NewSelect().Model(k).WherePK().Scan(ctx); err != nil {
			return err
		}
		switch {
		case k.Route != i.Route || !bytes.Equal(k.RequestHash, i.RequestHash):
			return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: i.Key, Why: "the idempotency key was used for another request", Err: ErrConstraint,
				Hint: "use a new key for each request, and the same only to repeat one"}
		case k.Status == 0:
			return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: i.Key, Why: ErrBusy.Error(), Err: ErrBusy, Hint: "try again in a moment"}
		}
		answer = &Answer{Status: k.Status, ContentType: k.ContentType, Body: k.Body}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	return claim, answer, nil
}

// Hold keeps a claimed request from being done by others for another while. A
// claim that went to another meanwhile, or is answered, stays as it is.
func (s *Store) Hold(ctx context.Context, i Idempotent, claim string, busy time.Duration) error {
	return s.change(ctx, "going on with the request", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*idempotencyKey)(nil)).Set("expires_at = ?", micros(s.now().Add(busy))).
			Where("user_id = ?", i.UserID).Where("key = ?", i.Key).Where("claim = ?", claim).Where("status = 0").Exec(ctx)
		return err
	})
}

// Answered keeps the answer of a claimed request for a time. The answer of a
// request whose claim went to another meanwhile is not kept. It must hold no credential.
func (s *Store) Answered(ctx context.Context, i Idempotent, claim string, a Answer, keep time.Duration) error {
	return s.change(ctx, "keeping the answer", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*idempotencyKey)(nil)).
			Set("status = ?", a.Status).Set("content_type = ?", a.ContentType).Set("body = ?", a.Body).Set("expires_at = ?", micros(s.now().Add(keep))).
			Where("user_id = ?", i.UserID).Where("key = ?", i.Key).Where("claim = ?", claim).Exec(ctx)
		return err
	})
}

// Abandon lets a claimed request that failed be tried again.
func (s *Store) Abandon(ctx context.Context, i Idempotent, claim string) error {
	return s.change(ctx, "giving the request up", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*idempotencyKey)(nil)).Where("user_id = ?", i.UserID).Where("key = ?", i.Key).Where("claim = ?", claim).Where("status = 0").Exec(ctx)
		return err
	})
}

// Sweep removes what has expired: sessions, and answers kept for repeated requests.
func (s *Store) Sweep(ctx context.Context) error {
	return s.change(ctx, "removing what has expired", func(ctx context.Context, tx bun.Tx) error {
		for _, model := range []any{(*Session)(nil), (*idempotencyKey)(nil)} {
			if _, err := tx.NewDelete().Model(model).Where("expires_at <= ?", s.clock()).Exec(ctx); err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return nil
	})
}
