package engine

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"

	"kalla"
	"kalla/internal/match"
)

// Searches are the reports of a plan's subset searches, by pass from 1.
type Searches map[int]kalla.SubsetSummary

// Execute runs the nodes of a plan. Errors are *kalla.Error and name the step.
func Execute(ctx context.Context, s Session, nodes []match.Node, report func(kalla.Progress)) (Searches, error) {
	r := &runner{s: s, report: report, total: len(nodes), searches: Searches{}}
	for i, n := range nodes {
		r.done = i
		if err := r.node(ctx, n, nil); err != nil {
			return nil, err
		}
	}
	return r.searches, nil
}

type runner struct {
	s           Session
	report      func(kalla.Progress)
	done, total int
	searches    Searches
}

// rounds replaces {i} and {j} inside a loop.
type rounds struct{ now, next string }

func (r *rounds) apply(query string) string {
	if r == nil {
		return query
	}
	return strings.NewReplacer("{i}", r.now, "{j}", r.next).Replace(query)
}

func (r *runner) node(ctx context.Context, n match.Node, loop *rounds) error {
	switch n := n.(type) {
	case match.Exec:
		return r.watched(ctx, n.Name, func(ctx context.Context) error {
			_, err := r.s.Exec(ctx, loop.apply(n.SQL))
			return err
		})
	case match.If:
		yes, err := r.decide(ctx, n, loop)
		if err != nil {
			return err
		}
		branch := n.Else
		if yes {
			branch = n.Then
		}
		for _, b := range branch {
			if err := r.node(ctx, b, loop); err != nil {
				return err
			}
		}
		return nil
	case match.Loop:
		for i := 0; ; i++ {
			round := &rounds{strconv.Itoa(i), strconv.Itoa(i + 1)}
			more, err := r.ask(ctx, n.Name, round.apply(n.While))
			if err != nil || !more {
				return err
			}
			for _, b := range n.Body {
				if err := r.node(ctx, b, round); err != nil {
					return err
				}
			}
		}
	case match.Each:
		if d, ok := r.s.(Divider); ok && n.Embedded != nil {
			done := false
			err := r.watched(ctx, n.Name, func(ctx context.Context) (err error) {
				done, err = d.Divide(ctx, n)
				return err
			})
			if done || err != nil {
				return err
			}
		}
		for _, b := range n.Nodes {
			if err := r.node(ctx, b, loop); err != nil {
				return err
			}
		}
		return nil
	case match.Guard:
		var got int64
		err := r.watched(ctx, n.Name, func(ctx context.Context) (err error) {
			var known bool
			if got, known, err = countRows(ctx, r.s, n.Query); known || err != nil {
				return err
			}
			return QueryRow(ctx, r.s, n.Query, &got)
		})
		if err != nil {
			return err
		}
		return guard(n, got)
	case match.Search:
		return r.watched(ctx, n.Name, func(ctx context.Context) error { return r.search(ctx, n) })
	}
	return &kalla.Error{Code: kalla.CodeInternal, Op: "matching", Why: fmt.Sprintf("unknown step %T", n)}
}

// guard fails where there is more than a guard allows.
func guard(n match.Guard, got int64) error {
	if got <= n.Max {
		return nil
	}
	why := n.Why
	if strings.Contains(why, "%d") {
		why = fmt.Sprintf(why, got)
	}
	return &kalla.Error{Code: n.Code, Op: "matching", Why: why, Hint: n.Hint}
}

// decide answers an If, by the cheaper query where that suffices.
func (r *runner) decide(ctx context.Context, n match.If, loop *rounds) (bool, error) {
	if n.Unless != "" {
		if no, err := r.ask(ctx, n.Name, loop.apply(n.Unless)); no || err != nil {
			return false, err
		}
	}
	return r.ask(ctx, n.Name, loop.apply(n.Query))
}

// ask runs a query that gives one boolean, as a step.
func (r *runner) ask(ctx context.Context, name, query string) (yes bool, err error) {
	err = r.watched(ctx, name, func(ctx context.Context) error {
		yes, err = Ask(ctx, r.s, query)
		return err
	})
	return yes, err
}

// Ask runs a query that gives one boolean, unless the session knows the answer; NULL is false.
func Ask(ctx context.Context, s Session, query string) (bool, error) {
	if n, known, err := countRows(ctx, s, query); known || err != nil {
		return n > 0, err
	}
	var yes sql.NullBool
	err := QueryRow(ctx, s, query, &yes)
	return yes.Bool, err
}

// RowCounter is a Session that knows how many rows its tables have. For a query
// of the form SELECT count(*) FROM table, or SELECT count(*) > 0 FROM table, it
// gives the number; known is false for any other.
type RowCounter interface {
	CountRows(ctx context.Context, query string) (n int64, known bool, err error)
}

func countRows(ctx context.Context, s Session, query string) (n int64, known bool, err error) {
	c, ok := s.(RowCounter)
	if !ok {
		return 0, false, nil
	}
	return c.CountRows(ctx, query)
}

// Divider is a Session that has shares of the work done by others.
type Divider interface {
	// Divide does what the node would, by its Embedded. It reports whether it
	// has; if not, nothing has changed.
	Divide(ctx context.Context, n match.Each) (done bool, err error)
}

type stepKey struct{}

// Step names the step that a call of a Session belongs to, for a driver that runs
// statements after the call; such an error says Where itself.
func Step(ctx context.Context) string {
	name, _ := ctx.Value(stepKey{}).(string)
	return name
}

// watched runs a step and reports its progress four times a second.
func (r *runner) watched(ctx context.Context, name string, step func(context.Context) error) error {
	stop := Watch(r.s, func(share float64) {
		r.report(kalla.Progress{Stage: kalla.StageMatching, Step: name, Fraction: (float64(r.done) + share) / float64(r.total)})
	})
	err := Trace(context.WithValue(ctx, stepKey{}, name), name, step)
	stop()
	return StepError(name, err)
}

// Trace does what do does within an OpenTelemetry span of that name. A span
// carries names and the class of an error, never SQL or data.
func Trace(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, span := otel.Tracer("kalla").Start(ctx, name)
	defer span.End()
	err := do(ctx)
	if err != nil {
		span.SetStatus(codes.Error, string(kalla.CodeOf(err)))
	}
	return err
}

// Watch calls report with the share of the running statement, at once and then
// four times a second, until the returned function is called.
func Watch(s Session, report func(share float64)) (stop func()) {
	report(0)
	quit, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		latest := 0.0
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				latest = max(latest, s.Progress())
				report(latest)
			}
		}
	}()
	return func() { close(quit); <-stopped }
}

// StepError says which step an error of the engine came from, where it does not say so itself.
func StepError(step string, err error) error {
	var known *kalla.Error
	if err == nil || errors.As(err, &known) && known.Code == kalla.CodeCanceled {
		return err
	}
	if known != nil {
		e := *known
		e.Where = cmp.Or(e.Where, step)
		return &e
	}
	return &kalla.Error{Code: kalla.CodeEngine, Op: "matching", Where: step, Err: err}
}

// QueryRow reads the only row of a query.
func QueryRow(ctx context.Context, s Session, query string, into ...any) error {
	rows, err := s.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return errors.New("the query gave no row")
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Err()
}

// search looks for balancing subsets: one record after the other in key order,
// each among the candidates that are still free.
func (r *runner) search(ctx context.Context, n match.Search) error {
	rows, err := r.s.Query(ctx, n.Query)
	if err != nil {
		return err
	}
	defer rows.Close()
	var (
		found      []string
		locked     []string
		taken            = map[int64]bool{}
		one        int64 = -1
		amount     kalla.Decimal
		candidates []match.Candidate
		summary    kalla.SubsetSummary
	)
	settle := func() {
		if one < 0 || len(candidates) == 0 {
			return
		}
		summary.Searched++
		subset := n.Options.Find(amount, candidates)
		if subset.Exhausted && len(subset.IDs) == 0 {
			summary.Exhausted++
		}
		if subset.Ambiguous && n.Options.Leave {
			locked = append(locked, fmt.Sprintf("(%d)", one))
			return
		}
		for _, id := range subset.IDs {
			taken[id] = true
			found = append(found, fmt.Sprintf("(%d, %d, %t)", one, id, subset.Ambiguous))
		}
	}
	for rows.Next() {
		var id, many, place int64
		var oneAmount, manyAmount string
		if err := rows.Scan(&id, &oneAmount, &many, &manyAmount, &place); err != nil {
			return err
		}
		if id != one {
			settle()
			one, candidates = id, candidates[:0]
			if amount, err = decimal.NewFromString(oneAmount); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return &kalla.Error{Code: kalla.CodeCanceled, Op: "matching", Why: "cancelled", Err: err}
			}
		}
		if taken[many] {
			continue
		}
		a, err := decimal.NewFromString(manyAmount)
		if err != nil {
			return err
		}
		candidates = append(candidates, match.Candidate{ID: many, Amount: a, Place: place})
	}
	if err := rows.Err(); err != nil {
		return err
	}
	settle()
	if err := rows.Close(); err != nil {
		return err
	}
	if err := r.insert(ctx, n.Insert, found); err != nil {
		return err
	}
	if err := r.insert(ctx, n.Locked, locked); err != nil {
		return err
	}
	r.searches[n.Pass] = summary
	return nil
}

// insert adds rows, written as SQL, to a table.
func (r *runner) insert(ctx context.Context, table string, rows []string) error {
	for batch := range slices.Chunk(rows, 1000) {
		if _, err := r.s.Exec(ctx, "INSERT INTO "+table+" VALUES "+strings.Join(batch, ", ")); err != nil {
			return err
		}
	}
	return nil
}
