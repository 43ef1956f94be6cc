package duckdb

import (
	"context"
	"errors"

	"kalla/internal/engine"
)

// inSnapshot stages database inputs in one transaction, which gives each
// database one snapshot for all its tables.
func (s *Session) inSnapshot(ctx context.Context, databases []int, inputs []engine.Input, stage func(int) error) (err error) {
	if _, err := s.conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
		return engineError(ctx, err)
	}
	defer func() {
		end := "COMMIT"
		if err != nil {
			end = "ROLLBACK"
		}
		if _, endErr := s.conn.ExecContext(context.WithoutCancel(ctx), end); endErr != nil {
			err = errors.Join(err, engineError(ctx, endErr))
		}
	}()
	for _, i := range databases {
		if err := stage(i); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) mountDatabase(ctx context.Context, in engine.Input) (*mount, error) {
	return nil, errors.New("soon")
}
