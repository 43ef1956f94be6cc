package state

import (
	"context"
	"database/sql"
	"errors"

	"kalla"
)

// What went wrong, the same on both databases. One of them is in the chain of
// each error that the methods of Store return, but for those of seal and of a
// context that ended, whose own errors are there instead.
var (
	ErrNotFound    = errors.New("there is no such object")
	ErrExists      = errors.New("it exists already")
	ErrStale       = errors.New("it was changed by somebody else in the meantime")
	ErrInUse       = errors.New("something else refers to it")
	ErrConstraint  = errors.New("the database does not take that value")
	ErrCursor      = errors.New("the cursor is not one of this list")
	ErrUnavailable = errors.New("the database cannot be reached")
	ErrVersion     = errors.New("the database is of another version of the program")
)

func notFound(op, what, id string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: id, Why: "there is no such " + what, Err: ErrNotFound}
}

// cause is what an error of a driver means.
type cause int

const (
	unknown cause = iota
	unique
	constraint
	transient // nothing was done; the same again may succeed
	lost      // the connection went, perhaps after the database had done it
)

// errOvertaken is that somebody else inserted the same row since the transaction looked: it begins again, and finds it.
var errOvertaken = errors.New("somebody else was quicker")

// wrap makes the error of an operation from whatever its statements returned.
func (s *Store) wrap(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*kalla.Error](err); ok {
		return err
	}
	// A statement whose context ended fails in many ways; the reason is one.
	if ended := context.Cause(ctx); ended != nil {
		return &kalla.Error{Code: kalla.CodeCanceled, Op: op, Why: "it was cancelled", Err: errors.Join(ended, ctx.Err())}
	}
	e := &kalla.Error{Code: kalla.CodeInternal, Op: op, Where: s.name, Err: err}
	switch s.classify(err) {
	case unique:
		e.Code, e.Why, e.Err = kalla.CodeUsage, ErrExists.Error(), errors.Join(ErrExists, err)
	case constraint:
		e.Code, e.Err = kalla.CodeUsage, errors.Join(ErrConstraint, err)
		e.Why = ErrConstraint.Error() + ": " + err.Error()
	case transient:
		e.Why, e.Hint, e.Err = "too many writers at once: "+err.Error(), "try again in a moment", errors.Join(ErrUnavailable, err)
	case lost:
		e.Why, e.Hint, e.Err = "the database cannot be reached: "+err.Error(), "look whether it runs, then try again", errors.Join(ErrUnavailable, err)
	case unknown:
		if errors.Is(err, sql.ErrNoRows) {
			e.Code, e.Why, e.Err = kalla.CodeUsage, ErrNotFound.Error(), errors.Join(ErrNotFound, err)
		}
	}
	return e
}
