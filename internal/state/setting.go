package state

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

type setting struct {
	bun.BaseModel `bun:"table:settings"`

	Key       string    `bun:"key,pk"`
	Value     JSON      `bun:"value"`
	UpdatedBy string    `bun:"updated_by"`
	UpdatedAt time.Time `bun:"updated_at"`
}

// Setting reads the value of a key into to, which keeps what it holds if there is none. It reports whether there is one.
func (s *Store) Setting(ctx context.Context, key string, to any) (bool, error) {
	const op = "reading the setting"
	x, err := one[setting](ctx, s, op, "setting", key, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("key = ?", key) })
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, s.wrap(ctx, op, json.Unmarshal(x.Value, to))
}

// SetSetting stores a value, which must hold no credential: it is audited.
func (s *Store) SetSetting(ctx context.Context, key string, value any) error {
	const op = "storing the setting"
	text, err := json.Marshal(value)
	if err != nil {
		return s.wrap(ctx, op, err)
	}
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		x := &setting{Key: key, Value: text, UpdatedBy: actor(ctx).ID, UpdatedAt: s.clock()}
		_, err := tx.NewInsert().Model(x).On("CONFLICT (key) DO UPDATE").
			Set("value = EXCLUDED.value, updated_by = EXCLUDED.updated_by, updated_at = EXCLUDED.updated_at").Exec(ctx)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, "setting.set", "setting", key, map[string]any{"value": json.RawMessage(text)})
	})
}
