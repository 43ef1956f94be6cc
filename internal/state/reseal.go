package state

import (
	"context"

	"github.com/uptrace/bun"
)

// Reseal seals what old keys have sealed with the first key, so that the old
// ones can go. It returns how many values there were.
func (s *Store) Reseal(ctx context.Context) (n int, err error) {
	const op = "sealing with the new key"
	err = s.eachSealed(ctx, op, "sources", "alias", "secret", sourcePlace, &n)
	if err == nil {
		err = s.eachSealed(ctx, op, "runs", "run_id", "request", runPlace, &n)
	}
	return n, err
}

// eachSealed seals the values of a column again, a hundred a transaction.
func (s *Store) eachSealed(ctx context.Context, op, table, id, column string, place func(string) []string, n *int) error {
	type sealed struct {
		ID    string
		Value []byte
	}
	for last := ""; ; {
		var values []sealed
		var done int
		err := s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
			values, done = nil, 0
			err := s.forUpdate(tx.NewSelect().Table(table).ColumnExpr("? AS id, ? AS value", bun.Ident(id), bun.Ident(column)).
				Where("? > ?", bun.Ident(id), last).Where("? IS NOT NULL", bun.Ident(column)).OrderBy(id, bun.OrderAsc).Limit(100)).Scan(ctx, &values)
			if err != nil {
				return err
			}
			for _, v := range values {
				if s.keys.Current(v.Value) {
					continue
				}
				open, err := s.keys.Open(v.Value, place(v.ID)...)
				if err != nil {
					return err
				}
				done++
				if _, err := tx.NewUpdate().Table(table).Set("? = ?", bun.Ident(column), s.keys.Seal(open, place(v.ID)...)).Where("? = ?", bun.Ident(id), v.ID).Exec(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		*n += done
		if len(values) == 0 {
			return nil
		}
		last = values[len(values)-1].ID
	}
}
