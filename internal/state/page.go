package state

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"kalla"
)

// Page asks for a part of a list, the newest first.
type Page struct {
	Cursor string // Next of the page before; empty for the first
	Limit  int    // 1 to 500; 0 means 50
}

// List is a page of a list. What is added while somebody turns the pages comes
// before the first: no page shows an object twice or leaves one out.
type List[T any] struct {
	Items []T
	Next  string // empty on the last page
}

const (
	defaultLimit = 50
	maxLimit     = 500
)

func (p Page) limit() int64 {
	if p.Limit <= 0 {
		return defaultLimit
	}
	return int64(min(p.Limit, maxLimit))
}

// cursor is the place of an object in a list.
func cursor(created time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(created.UnixMicro(), 36) + " " + id))
}

func parseCursor(text string) (time.Time, string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		at, id, ok := strings.Cut(string(raw), " ")
		micros, err := strconv.ParseInt(at, 36, 64)
		if ok && err == nil && id != "" && !strings.ContainsRune(id, 0) {
			return time.UnixMicro(micros).UTC(), id, nil
		}
	}
	return time.Time{}, "", &kalla.Error{Code: kalla.CodeUsage, Op: "turning the page", Why: ErrCursor.Error(), Err: ErrCursor,
		Hint: "begin again without a cursor"}
}

// page runs q for one page of a list of T in the order of created_at and the
// column id, the newest first. key returns both of an object.
func page[T any](ctx context.Context, s *Store, op string, p Page, id string, key func(*T) (time.Time, string), where func(*bun.SelectQuery) *bun.SelectQuery) (List[T], error) {
	items := []T{}
	q := where(s.read.NewSelect().Model(&items)).OrderBy("created_at", bun.OrderDesc).OrderBy(id, bun.OrderDesc).Limit(p.limit() + 1)
	if p.Cursor != "" {
		at, last, err := parseCursor(p.Cursor)
		if err != nil {
			return List[T]{}, err
		}
		q = q.Where("(created_at, ?) < (?, ?)", bun.Ident(id), at, last)
	}
	if err := s.query(ctx, op, func(ctx context.Context) error { items = items[:0]; return q.Scan(ctx) }); err != nil {
		return List[T]{}, err
	}
	l := List[T]{Items: items}
	if n := int(p.limit()); len(items) > n {
		l.Items = items[:n]
		at, last := key(&l.Items[n-1])
		l.Next = cursor(at, last)
	}
	return l, nil
}

func all(q *bun.SelectQuery) *bun.SelectQuery { return q }
