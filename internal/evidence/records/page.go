package records

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Page is a part of the answer to a Query.
type Page struct {
	Rows
	From  int64  `json:"from"`           // place of the first row in the whole answer, from 0
	Total *int64 `json:"total"`          // rows of the whole answer, nil where they were not counted
	Next  string `json:"next,omitempty"` // cursor of the page behind this one
	Prev  string `json:"prev,omitempty"` // cursor of the page before it
}

// Page answers a query. Errors are *kalla.Error: CodeUsage for a query that
// cannot be asked, CodeEvidence where the files cannot be read.
func (r *Run) Page(ctx context.Context, q Query) (*Page, error) {
	c, err := r.compile(q)
	if err != nil {
		return nil, err
	}
	var at *cursor
	if q.Cursor != "" {
		parsed, err := parseCursor(q.Cursor, c.id, c.table.rows)
		if err != nil {
			return nil, err
		}
		at = &parsed
	}
	l := lookup{run: r, compiled: c}
	var p *Page
	switch x := r.store.index.kept(c.id); {
	case c.plain():
		p, err = l.fromFile(ctx, at, q.From)
	case x != nil:
		defer r.store.index.release(x)
		p, err = l.fromIndex(ctx, x, at, q.From)
	case at == nil && q.From == 0 && (q.NoCount || len(c.where.sql) == 0):
		p, err = l.first(ctx)
	default:
		x := r.store.index.acquire(c)
		defer r.store.index.release(x)
		if err = r.store.index.wait(ctx, x); err == nil {
			p, err = l.fromIndex(ctx, x, at, q.From)
		}
	}
	if err != nil {
		return nil, r.reading(ctx, c.table.file, err)
	}
	return p, nil
}

// lookup is a query that is being answered.
type lookup struct {
	run *Run
	*compiled
}

// fromFile cuts the page from the file, whose row numbers are the places.
func (l lookup) fromFile(ctx context.Context, at *cursor, from int64) (*Page, error) {
	total := l.table.rows
	if at != nil {
		from = at.row
	}
	start, end := l.span(at, from, total)
	numbers := make([]int64, 0, end-start)
	for n := start; n < end; n++ {
		numbers = append(numbers, n)
	}
	return l.page(ctx, numbers, start, &total, end < total)
}

// fromIndex cuts the page from the ordered row numbers of the whole answer.
func (l lookup) fromIndex(ctx context.Context, x *index, at *cursor, from int64) (*Page, error) {
	if at != nil {
		places, err := l.run.store.numbers(ctx, "SELECT rowid FROM "+x.table+" WHERE n = "+strconv.FormatInt(at.row, 10))
		if err != nil {
			return nil, err
		}
		if len(places) != 1 {
			return nil, damagedCursor()
		}
		from = places[0]
	}
	start, end := l.span(at, from, x.rows)
	numbers, err := l.run.store.numbers(ctx, fmt.Sprintf("SELECT n FROM %s WHERE rowid >= %d AND rowid < %d ORDER BY rowid", x.table, start, end))
	if err != nil {
		return nil, err
	}
	total := x.rows
	return l.page(ctx, numbers, start, &total, end < total)
}

// first finds the first page alone, which is quicker than ordering everything.
// Whoever sorted will turn the page: the index is made meanwhile.
func (l lookup) first(ctx context.Context) (*Page, error) {
	query := "SELECT " + l.table.number + " FROM " + l.table.from + l.where.where()
	if l.order != "" {
		query += " ORDER BY " + l.order
	}
	numbers, err := l.run.store.numbers(ctx, query+" LIMIT "+strconv.FormatInt(l.limit+1, 10), l.where.args...)
	if err != nil {
		return nil, err
	}
	more := int64(len(numbers)) > l.limit
	var total *int64
	switch {
	case len(l.where.sql) == 0:
		total = &l.table.rows
	case !more:
		n := int64(len(numbers))
		total = &n
	}
	if more {
		numbers = numbers[:l.limit]
	}
	p, err := l.page(ctx, numbers, 0, total, more)
	if err == nil && more && l.order != "" {
		l.run.store.index.warm(l.compiled)
	}
	return p, err
}

// span is the places of the page before or after the row at place from, or
// that begins there.
func (l lookup) span(at *cursor, from, total int64) (start, end int64) {
	switch {
	case at == nil:
		start = min(from, total)
	case at.before:
		return max(0, from-l.limit), from
	default:
		start = from + 1
	}
	return start, min(start+l.limit, total)
}

// page reads the rows of the given numbers and keeps their order.
func (l lookup) page(ctx context.Context, numbers []int64, from int64, total *int64, more bool) (*Page, error) {
	p := &Page{Rows: Rows{Columns: l.columns, Rows: [][]*string{}}, From: from, Total: total}
	if len(numbers) == 0 {
		return p, nil
	}
	low, high := slices.Min(numbers), slices.Max(numbers)
	where := fmt.Sprintf("%s BETWEEN %d AND %d", l.table.number, low, high)
	if high-low >= int64(len(numbers)) {
		list := make([]string, len(numbers))
		for i, n := range numbers {
			list[i] = strconv.FormatInt(n, 10)
		}
		where += " AND " + l.table.number + " IN (" + strings.Join(list, ", ") + ")"
	}
	rows, err := l.run.store.rows(ctx, "SELECT CAST("+l.table.number+" AS VARCHAR), "+shown(l.columns)+" FROM "+l.table.from+" WHERE "+where)
	if err != nil {
		return nil, err
	}
	found := make(map[string][]*string, len(rows))
	for _, row := range rows {
		found[*row[0]] = row[1:]
	}
	for _, n := range numbers {
		row, ok := found[strconv.FormatInt(n, 10)]
		if !ok {
			return nil, fmt.Errorf("row %d is not there, though the manifest counts %d", n, l.table.rows)
		}
		p.Rows.Rows = append(p.Rows.Rows, row)
	}
	if more {
		p.Next = cursor{row: numbers[len(numbers)-1]}.encode(l.id)
	}
	if from > 0 {
		p.Prev = cursor{before: true, row: numbers[0]}.encode(l.id)
	}
	return p, nil
}
