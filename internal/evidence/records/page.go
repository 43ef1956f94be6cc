package records

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
	t, err := r.table(q.Table)
	if err != nil {
		return nil, err
	}
	p, err := r.store.page(ctx, t, q)
	if err != nil {
		return nil, r.reading(ctx, t.file, err)
	}
	return p, nil
}

// page answers a query of a table.
func (s *Store) page(ctx context.Context, t *table, q Query) (*Page, error) {
	c, err := compile(t, q)
	if err != nil {
		return nil, err
	}
	var at *cursor
	if q.Cursor != "" {
		parsed, err := parseCursor(q.Cursor, c.id, t.rows)
		if err != nil {
			return nil, err
		}
		at = &parsed
	}
	l := lookup{store: s, compiled: c}
	if c.plain() {
		return l.fromFile(ctx, at, q.From)
	}
	x := s.index.kept(c.name())
	if x == nil {
		if at == nil && q.From == 0 && (q.NoCount || len(c.where.sql) == 0) {
			return l.first(ctx)
		}
		x = s.index.acquire(c.name(), s.ordered(c))
	}
	defer s.index.release(x)
	if err := s.index.wait(ctx, x); err != nil {
		return nil, err
	}
	return l.fromIndex(ctx, x, at, q.From)
}

// lookup is a query that is being answered.
type lookup struct {
	store *Store
	*compiled
}

// fromFile cuts the page from the file, whose row numbers are the places.
func (l lookup) fromFile(ctx context.Context, at *cursor, from int64) (*Page, error) {
	if at != nil {
		from = at.row
	}
	return l.cut(ctx, at, from, l.table.rows, func(start, end int64) ([]int64, error) {
		var numbers []int64
		for n := start; n < min(end, l.table.rows); n++ {
			numbers = append(numbers, n)
		}
		return numbers, nil
	})
}

// fromIndex cuts the page from the ordered row numbers of the whole answer.
func (l lookup) fromIndex(ctx context.Context, x *index, at *cursor, from int64) (*Page, error) {
	if at != nil {
		places, err := l.store.numbers(ctx, "SELECT rowid FROM "+x.name+" WHERE n = "+strconv.FormatInt(at.row, 10))
		if err != nil {
			return nil, err
		}
		if len(places) != 1 {
			return nil, damagedCursor()
		}
		from = places[0]
	}
	return l.cut(ctx, at, from, x.rows, func(start, end int64) ([]int64, error) {
		return l.store.numbers(ctx, fmt.Sprintf("SELECT n FROM %s WHERE rowid >= %d AND rowid < %d ORDER BY rowid", x.name, start, end))
	})
}

// cut takes the page before or after the row at place from, or that begins
// there, out of an answer of total rows.
func (l lookup) cut(ctx context.Context, at *cursor, from, total int64, list func(start, end int64) ([]int64, error)) (*Page, error) {
	start, end := l.span(at, from, total)
	var numbers []int64
	rows := [][]*string{}
	for size, place := l.blockRows(), start; place < end; {
		b, err := l.block(ctx, place/size, list)
		if err != nil {
			return nil, err
		}
		low, high := place%size, min(size, end-place/size*size)
		if high > int64(len(b.rows)) {
			return nil, errors.New("the file holds fewer rows than the manifest counts")
		}
		numbers, rows = append(numbers, b.numbers[low:high]...), append(rows, b.rows[low:high]...)
		place += high - low
	}
	return l.page(numbers, rows, start, &total, end < total), nil
}

// first finds the first page alone, which is quicker than ordering everything.
// Whoever sorted will turn the page: the index is made meanwhile.
func (l lookup) first(ctx context.Context) (*Page, error) {
	query := "SELECT " + l.table.number + " FROM " + l.table.from + l.where.where()
	if l.order != "" {
		query += " ORDER BY " + l.order
	}
	numbers, err := l.store.numbers(ctx, query+" LIMIT "+strconv.FormatInt(l.limit+1, 10), l.where.args...)
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
	rows, err := l.read(ctx, numbers)
	if err != nil {
		return nil, err
	}
	if more && l.order != "" {
		l.store.index.warm(l.name(), l.store.ordered(l.compiled))
	}
	return l.page(numbers, rows, 0, total, more), nil
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

// page puts the cursors to the rows of the given numbers.
func (l lookup) page(numbers []int64, rows [][]*string, from int64, total *int64, more bool) *Page {
	p := &Page{Rows: Rows{Columns: l.columns, Rows: rows}, From: from, Total: total}
	if len(numbers) == 0 {
		return p
	}
	if more {
		p.Next = cursor{row: numbers[len(numbers)-1]}.encode(l.id)
	}
	if from > 0 {
		p.Prev = cursor{before: true, row: numbers[0]}.encode(l.id)
	}
	return p
}
