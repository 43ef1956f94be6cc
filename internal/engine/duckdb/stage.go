package duckdb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kalla"
	"kalla/internal/engine"
)

// column is one column of a source as it will be staged.
type column struct {
	Name string
	Type kalla.Type
	Raw  string // SQL of the value as it is read
	// Cast is SQL over {x}, the raw value; empty where the raw value is kept.
	Cast string
	// Fits is SQL over {x}, which is not NULL, and {t}, the cast value; it is
	// true where the cast lost nothing. Empty where every value fits.
	Fits string
	// Declared says that the type comes from the recipe, so that a value which
	// does not fit is an error rather than a reason to look again.
	Declared bool
}

// mount is a source that is ready to be read.
type mount struct {
	From        string // SQL of a table expression
	Columns     []column
	Fingerprint string
	Consistency string
	// Retype answers an error of reading: with a mount that has other types where
	// one guessed too narrowly, else with an error that says where and why.
	Retype func(ctx context.Context, failed error) (*mount, error)
	// Pieces, where another process can read the source as well, gives table
	// expressions, up to n as far as it is worth it, which together hold the rows of
	// From once each. They have its columns, of its types.
	Pieces func(ctx context.Context, n int) ([]string, error)
	// Verify, where there is one, finds damage that the engine overlooks. It runs beside the reading.
	Verify func(ctx context.Context) error
}

func (m *mount) retype(ctx context.Context, failed error) (*mount, error) {
	var known *kalla.Error
	if m.Retype == nil || errors.As(failed, &known) {
		return nil, failed
	}
	next, err := m.Retype(ctx, failed)
	if err != nil {
		return nil, err
	}
	next.Fingerprint, next.Consistency, next.Pieces = m.Fingerprint, m.Consistency, m.Pieces
	return next, nil
}

// schema returns the columns of the source, without derived ones.
func (m *mount) schema() kalla.Schema {
	out := make(kalla.Schema, len(m.Columns))
	for i, c := range m.Columns {
		out[i] = kalla.Column{Name: c.Name, Type: c.Type}
	}
	return out
}

// misfitMark stands in the message of the error that ends a scan at the first
// value that does not fit; the number of the column follows it.
const misfitMark = "kalla-misfit:"

var misfitNumber = regexp.MustCompile(misfitMark + `(\d+)`)

// misfitColumn returns the column that a scan stopped at.
func misfitColumn(err error) (int, bool) {
	m := misfitNumber.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	n, convErr := strconv.Atoi(m[1])
	return n, convErr == nil
}

func helper(kind string, i int) string { return ident(fmt.Sprintf("__kalla_%s%d", kind, i)) }

// check returns SQL that is true where the value of column i fits its type.
func (c column) check(i int) string {
	x := helper("x", i)
	return "(" + x + " IS NULL OR " + fill(c.Fits, x, helper("t", i)) + ")"
}

func fill(expr, x, t string) string {
	return strings.NewReplacer("{x}", x, "{t}", t).Replace(expr)
}

// query returns the SELECT whose rows are the staged table. The levels, from
// the inside: raw values and their casts, computed once each; checks, filters
// and names; derived columns, one level each.
//
// The check raises an error, so that a misfit stops the scan, costs no column
// in the table and no second pass. With filters it stands in one CASE with
// them: a row that a filter would drop is checked first. error() is volatile,
// which keeps DuckDB from moving the condition.
func (m *mount) query(in engine.Input) (string, error) {
	filters, derivedFilters, err := filterSQL(in, m.schema())
	if err != nil {
		return "", err
	}
	var inner, names, checks []string
	for i, c := range m.Columns {
		switch {
		case c.Cast == "":
			inner = append(inner, c.Raw+" AS "+helper("t", i))
		case c.Fits == "":
			inner = append(inner, fill(c.Cast, c.Raw, "")+" AS "+helper("t", i))
		default:
			inner = append(inner, c.Raw+" AS "+helper("x", i), fill(c.Cast, c.Raw, "")+" AS "+helper("t", i))
			checks = append(checks, fmt.Sprintf("WHEN %s IS NOT TRUE THEN error('%s%d')", c.check(i), misfitMark, i))
		}
		value := helper("t", i)
		if c.Fits != "" && len(filters) == 0 {
			value = fmt.Sprintf("CASE WHEN %s THEN %s ELSE error('%s%d') END", c.check(i), value, misfitMark, i)
		}
		names = append(names, value+" AS "+ident(c.Name))
	}
	guard := func(conditions []string) string {
		all := strings.Join(conditions, " AND ")
		if len(checks) == 0 {
			return all
		}
		return "CASE " + strings.Join(checks, " ") + " ELSE " + all + " END"
	}

	q := "SELECT " + strings.Join(inner, ", ") + " FROM " + m.From
	helpers := ""
	if len(derivedFilters) > 0 && len(checks) > 0 {
		helpers = ", COLUMNS('^__kalla_')"
	}
	q = "SELECT " + strings.Join(names, ", ") + helpers + " FROM (" + q + ")"
	if len(filters) > 0 {
		q += " WHERE " + guard(filters)
	}
	for _, d := range in.Derive {
		q = "SELECT *, (" + d.SQL + ") AS " + ident(d.Name) + " FROM (" + q + ")"
	}
	if len(derivedFilters) == 0 && in.Columns == nil {
		return q, nil
	}
	q = "SELECT " + outputList(in, m) + " FROM (" + q + ")"
	if len(derivedFilters) > 0 {
		q += " WHERE " + guard(derivedFilters)
	}
	return q, nil
}

// outputList names the columns of the staged table.
func outputList(in engine.Input, m *mount) string {
	var list []string
	for _, c := range m.Columns {
		if in.Columns == nil || slices.Contains(in.Columns, c.Name) {
			list = append(list, ident(c.Name))
		}
	}
	for _, d := range in.Derive {
		list = append(list, ident(d.Name))
	}
	return strings.Join(list, ", ")
}

// Stage reads the inputs into tables. The order is: files without derived
// columns, so that lookups are there; then databases, in one transaction; then
// the other files. The tables are returned in the order of the inputs.
func (s *Session) Stage(ctx context.Context, inputs []engine.Input, report func(kalla.Progress)) ([]engine.Table, error) {
	if report == nil {
		report = func(kalla.Progress) {}
	}
	var tables []engine.Table
	err := s.outside(ctx, inputs, func() (err error) {
		tables, err = s.stageAll(ctx, inputs, untilDone(ctx, report))
		return err
	})
	if err != nil {
		return nil, err
	}
	return tables, nil
}

// sink takes the rows of a query to where those of an input belong, and says how many they are and of what types.
type sink func(ctx context.Context, in engine.Input, query string) (rows int64, schema kalla.Schema, err error)

// intoTable is the sink that makes a table in the engine.
func (s *Session) intoTable(ctx context.Context, in engine.Input, query string) (rows int64, schema kalla.Schema, err error) {
	if err := s.conn.QueryRowContext(ctx, "CREATE OR REPLACE TABLE "+ident(in.Table)+" AS "+query).Scan(&rows); err != nil {
		return 0, nil, err
	}
	schema, err = s.describeQuery(ctx, "FROM "+ident(in.Table))
	return rows, schema, err
}

func (s *Session) stageAll(ctx context.Context, inputs []engine.Input, report func(kalla.Progress)) ([]engine.Table, error) {
	if err := s.defineFor(ctx, inputs); err != nil {
		return nil, engineError(ctx, err)
	}
	tables := make([]engine.Table, len(inputs))
	done := 0
	stage := func(order []int) error {
		for _, i := range order {
			p := tracker{report: report, alias: inputs[i].Alias, done: done, total: len(inputs), poll: s.Progress}
			var err error
			if tables[i], err = s.stageOne(ctx, inputs[i], &p); err != nil {
				return stageError(ctx, inputs[i], err)
			}
			done++
			p.finish(tables[i].Rows)
		}
		return nil
	}
	first, databases, last := order(inputs)
	if err := stage(first); err != nil {
		return nil, err
	}
	if len(databases) > 0 {
		if err := s.inSnapshot(ctx, inputs, func() error { return stage(databases) }); err != nil {
			return nil, err
		}
	}
	if err := stage(last); err != nil {
		return nil, err
	}
	return tables, nil
}

// order tells which inputs come first, since others look things up in them, which
// are in databases, and which come last.
func order(inputs []engine.Input) (first, databases, last []int) {
	for i, in := range inputs {
		switch {
		case in.Source.Type.IsDatabase():
			databases = append(databases, i)
		case len(in.Derive) == 0:
			first = append(first, i)
		default:
			last = append(last, i)
		}
	}
	return first, databases, last
}

// defineFor creates the macros of derived columns. It comes before any
// transaction, which would take them back if it failed.
func (s *Session) defineFor(ctx context.Context, inputs []engine.Input) error {
	for _, in := range inputs {
		for _, d := range in.Derive {
			if err := s.define(ctx, d.SQL); err != nil {
				return err
			}
		}
	}
	return nil
}

// stageOne makes a table of one input.
func (s *Session) stageOne(ctx context.Context, in engine.Input, p *tracker) (engine.Table, error) {
	m, err := s.mount(ctx, in)
	if err != nil {
		return engine.Table{}, err
	}
	return s.stageMount(ctx, in, m, p, s.intoTable)
}

// stageMount reads an input that is mounted and describes what came of it.
func (s *Session) stageMount(ctx context.Context, in engine.Input, m *mount, p *tracker, put sink) (engine.Table, error) {
	if err := m.promises(in); err != nil {
		return engine.Table{}, err
	}
	q, err := m.query(in)
	if err != nil {
		return engine.Table{}, err
	}
	read := func(q string) (int64, kalla.Schema, error) {
		if err := s.tune(ctx); err != nil {
			return 0, nil, err
		}
		stop := p.watch()
		defer stop()
		return put(ctx, in, q)
	}
	verified := make(chan struct{})
	var verifyErr error
	verifyCtx, cancel := context.WithCancel(ctx)
	go func(m *mount) {
		defer close(verified)
		if m.Verify != nil {
			verifyErr = m.Verify(verifyCtx)
		}
	}(m)
	defer func() { cancel(); <-verified }()
	rows, schema, err := read(q)
	if err != nil {
		if in.Source.Type.IsDatabase() {
			// The transaction is lost with its statement; what is left is to say why.
			_, _ = s.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
		if m, err = m.retype(ctx, err); err != nil {
			return engine.Table{}, err
		}
		if q, err = m.query(in); err != nil {
			return engine.Table{}, err
		}
		if rows, schema, err = read(q); err != nil {
			if _, err = m.retype(ctx, err); err == nil {
				err = errors.New("the file changed while it was read")
			}
			return engine.Table{}, err
		}
	}
	if <-verified; verifyErr != nil {
		return engine.Table{}, verifyErr
	}
	if err := s.unchanged(ctx, in, m.Fingerprint); err != nil {
		return engine.Table{}, err
	}
	return engine.Table{Name: in.Table, Schema: schema, Rows: rows, Fingerprint: m.Fingerprint, Consistency: m.Consistency}, nil
}

// describeQuery returns the columns of a query.
func (s *Session) describeQuery(ctx context.Context, query string) (kalla.Schema, error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out kalla.Schema
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return nil, err
		}
		out = append(out, kalla.Column{Name: name, Type: kallaType(typ)})
	}
	return out, rows.Err()
}

// tracker turns the engine's progress into events, four a second.
type tracker struct {
	report      func(kalla.Progress)
	alias       string
	done, total int
	poll        func() float64
	latest      float64 // of this input; never goes back
}

func (t *tracker) event(share float64, rows int64) {
	t.latest = max(t.latest, share)
	t.report(kalla.Progress{Stage: kalla.StageStaging, Step: "reading " + t.alias, Source: t.alias, Rows: rows,
		Fraction: (float64(t.done) + t.latest) / float64(t.total)})
}

func (t *tracker) finish(rows int64) { t.event(1, rows) }

// watch reports until the returned function is called.
func (t *tracker) watch() func() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if p := t.poll(); p >= 0 {
					t.event(p, 0)
				}
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// stageError gives an error its operation and class, and takes secrets out.
func stageError(ctx context.Context, in engine.Input, err error) error {
	if c := canceled(ctx, err); c != nil {
		return c
	}
	op := "staging " + in.Alias
	var known *kalla.Error
	if errors.As(err, &known) {
		e := *known
		if e.Op == "" {
			e.Op = op
		}
		e.Where, e.Why = in.Source.Redact(e.Where), in.Source.Redact(e.Why)
		e.Err = nil
		return &e
	}
	classified := engineError(ctx, err)
	errors.As(classified, &known)
	e := *known
	if e.Code == kalla.CodeEngine {
		if in.Source.Type.IsDatabase() {
			errors.As(queryError(ctx, in.Source, err), &known)
			e = *known
		}
		e.Code = kalla.CodeSource
	}
	e.Op, e.Where, e.Why, e.Err = op, in.Source.Location(), in.Source.Redact(e.Why), nil
	return &e
}
