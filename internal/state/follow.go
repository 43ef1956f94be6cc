package state

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// CountRuns counts the runs by state. States without runs are left out.
func (s *Store) CountRuns(ctx context.Context) (map[RunState]int64, error) {
	counts := map[RunState]int64{}
	err := s.query(ctx, "counting the runs", func(ctx context.Context) error {
		clear(counts)
		var rows []struct {
			State RunState `bun:"state"`
			N     int64    `bun:"n"`
		}
		if err := s.read.NewSelect().Model((*Run)(nil)).Column("state").ColumnExpr("count(*) AS n").Group("state").Scan(ctx, &rows); err != nil {
			return err
		}
		for _, r := range rows {
			counts[r.State] = r.N
		}
		return nil
	})
	return counts, err
}

// RunsToFollow returns runs that a scheduler has and whose state it is to be
// asked for: those that gave no sign of life since a time, and those that
// somebody wants stopped. The longest silent come first.
func (s *Store) RunsToFollow(ctx context.Context, silentSince time.Time, limit int) ([]Run, error) {
	runs := []Run{}
	err := s.query(ctx, "looking for silent runs", func(ctx context.Context) error {
		runs = runs[:0]
		return light(s.read.NewSelect().Model(&runs)).Where("lease_until IS NOT NULL").Where("state <> ?", Pending).
			WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
				return q.Where("heartbeat_at <= ?", micros(silentSince)).WhereOr("cancel_requested_at IS NOT NULL")
			}).OrderBy("heartbeat_at", bun.OrderAsc).Limit(int64(limit)).Scan(ctx)
	})
	return runs, err
}

// LastEvents returns the number of the latest event of each of the runs that there are.
func (s *Store) LastEvents(ctx context.Context, runIDs []string) (map[string]int64, error) {
	last := make(map[string]int64, len(runIDs))
	err := s.query(ctx, "looking for news of runs", func(ctx context.Context) error {
		clear(last)
		var runs []Run
		err := s.read.NewSelect().Model(&runs).Column("run_id", "last_event").Where("run_id IN (?)", bun.List(runIDs)).Scan(ctx)
		for _, r := range runs {
			last[r.RunID] = r.LastEvent
		}
		return err
	})
	return last, err
}

// RunState returns the state of a run and the number of its latest event; the other fields are empty.
func (s *Store) RunState(ctx context.Context, id string) (*Run, error) {
	return one[Run](ctx, s, "reading the run", "run", id, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Column("run_id", "state", "last_event").Where("run_id = ?", id)
	})
}
