// Package engine runs a compiled plan on a database engine: it stages sources
// as typed tables in one snapshot, executes the plan's steps, and watches
// limits, progress and cancellation. Drivers live in sub-packages.
package engine

import (
	"context"
	"database/sql"

	"kalla"
	"kalla/internal/match"
	"kalla/internal/source"
)

// Limits bound what a session may use.
type Limits struct {
	Memory  int64 // bytes; 0 lets the driver choose a share of the machine
	Threads int   // 0 means all processors
	// ThreadsNow, where it is set, is asked before each statement how many threads
	// the session may use from now on, so that jobs side by side share the
	// processors. It may be called from any goroutine; less than 1 means 1.
	ThreadsNow func() int
	TempDir    string // where the engine spills; empty means a private folder below the system's
	// Folder of the driver's extensions, if it has such; empty means Kalla's own below the user's cache.
	Extensions string
}

// Input is one source to be staged as a table.
type Input struct {
	Table   string        // left_src, right_src, or the alias of an extra
	Alias   string        // as people know it, for progress and errors
	Source  source.Source // where it is and how it is read
	Filters []kalla.Filter
	Types   map[string]kalla.Type // overrides of detection, by column
	Derive  []kalla.Derived       // already checked by the SQL gate
	Numeric []string              // columns the recipe compares as numbers: text in them must become decimals
	Dates   []string              // columns the recipe compares as dates or times: one without a single value becomes a date
	Columns []string              // nil means all
	// Snapshot demands that all rows are of one point in time: staging fails where the source cannot promise it.
	Snapshot bool
}

// Table is a staged source. Its rows are those that pass the filters, each
// exactly once; its columns are those of the source, then the derived ones.
type Table struct {
	Name        string
	Schema      kalla.Schema
	Rows        int64
	Fingerprint string // of what was read: sha256 or size and time of a file, snapshot of a database
	Consistency string // "snapshot" where all rows are of one point in time
}

// Session is one run's private engine. It is used by one goroutine, except for
// Progress. Cancelling the context of a call stops the engine within a second.
type Session interface {
	Info() kalla.EngineInfo
	Dialect() match.Dialect
	// Stage reads all inputs, those of one database in one transaction snapshot.
	// Errors are *kalla.Error with CodeSource and name file, line and column where there is one.
	Stage(ctx context.Context, inputs []Input, report func(kalla.Progress)) ([]Table, error)
	// Seal ends all access to files and network but for the given folders. It cannot be undone.
	Seal(ctx context.Context, folders ...string) error
	Exec(ctx context.Context, query string) (rows int64, err error)
	Query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	// Columns describes the rows that a query would give.
	Columns(ctx context.Context, query string) (kalla.Schema, error)
	// WriteParquet writes the rows of a query to a new Parquet file and returns how many there were.
	WriteParquet(ctx context.Context, query, path string) (rows int64, err error)
	// Progress is the share, 0..1, of the statement that is running, or -1 where the engine cannot say.
	Progress() float64
	// Close frees memory and removes temporary files; it is safe to call twice.
	Close() error
}

// Inspector looks at a source without staging it.
type Inspector interface {
	// Describe returns the columns and types that staging would give.
	Describe(ctx context.Context, in Input) (kalla.Schema, error)
	// Preview returns up to limit rows that pass the filters, values rendered as text, nil for NULL.
	Preview(ctx context.Context, in Input, limit int) (kalla.Schema, [][]*string, error)
	// Count returns how many rows pass the filters.
	Count(ctx context.Context, in Input) (int64, error)
	// Profile describes the values of every row that passes the filters.
	Profile(ctx context.Context, in Input) ([]ColumnProfile, error)
}

// ColumnProfile describes the values of one column.
type ColumnProfile struct {
	Column   kalla.Column `json:"column"`
	Rows     int64        `json:"rows"`
	Nulls    int64        `json:"nulls"`
	Distinct int64        `json:"distinct"`
	Min      *string      `json:"min"`
	Max      *string      `json:"max"`
	Samples  []string     `json:"samples"` // frequent values first, at most five
}
