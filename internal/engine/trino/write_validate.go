package trino

import (
	"context"
	"errors"

	driver "github.com/trinodb/trino-go-client/trino"

	"kalla"
	"kalla/internal/gate"
)

// Validate has the cluster plan a text that WriteSQL wrote, without running it.
// What the cluster cannot do, such as some correlated sub-selects, is refused
// with CodeRecipe. A predicate is planned over the staged sources.
func (s *Session) Validate(ctx context.Context, c *gate.Checked, sql string) error {
	if c.Query == nil {
		sql = "SELECT 1 FROM left_src AS l CROSS JOIN right_src AS r WHERE " + sql
	}
	over := s.tables.needs(sql)
	turn, done := s.whileOpen(ctx)
	defer done()
	if err := s.await(turn, over); err != nil {
		return err
	}
	sql = complete(sql, over)
	err := s.attempt(ctx, func(int) error {
		rows, err := s.db.QueryContext(ctx, "EXPLAIN (TYPE LOGICAL) "+sql)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() { // the plan itself is nobody's concern
		}
		return rows.Err()
	})
	var refused *driver.ErrTrino
	if errors.As(err, &refused) && refused.ErrorType == "USER_ERROR" {
		return &kalla.Error{Code: kalla.CodeRecipe, Op: "checking SQL on the cluster", Why: plain(refused.Message), Err: err,
			Hint: "write it as a join, or run the recipe on the embedded engine"}
	}
	return err
}
