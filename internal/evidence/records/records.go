// Package records reads the evidence of runs for people: pages of records with
// filter, search and sort, one record's page, figures for charts, and what
// differs between two runs.
//
// Everything is answered from the Parquet files themselves. Rows are told apart
// by their number in the file. Where a page cannot be cut from the file as it
// is, the row numbers of the whole answer are put in order once, in a table of
// four bytes a row; any page of it then costs the same. Indexes, the rows read
// last and the figures of charts are kept, each within a bound, and named by the
// hash of the file, so that nothing kept is ever out of date.
//
// What is read is not hashed again: evidence.Verify does that.
package records

import (
	"context"
	"database/sql"
	"sync"

	"kalla"
	"kalla/internal/evidence"
)

// DB runs SQL of DuckDB's dialect, several statements at once. Tables that one
// statement makes are seen by all; row numbers follow the order of the file.
type DB interface {
	evidence.Querier
	Exec(ctx context.Context, query string, args ...any) (rows int64, err error)
}

// Locate finds the evidence at a location, a folder or an object prefix: its
// manifest, and the path, free of credentials, that the DB reads its files below.
type Locate func(ctx context.Context, location string) (*evidence.Manifest, string, error)

// Options bound what a Store keeps.
type Options struct {
	// IndexBytes is the memory of all indexes; 0 means 128 MiB, enough for
	// sorted answers of 30 million rows in all.
	IndexBytes int64
}

// Store reads the evidence of all runs. It may be used by many goroutines.
type Store struct {
	db      DB
	locate  Locate
	index   cache
	blocks  blocks
	figures figures
	work    sync.WaitGroup // indexes that are being made
	ctx     context.Context
	stop    context.CancelFunc
}

// Open returns a Store over a DB, which the caller closes after it.
func Open(db DB, locate Locate, o Options) *Store {
	if o.IndexBytes <= 0 {
		o.IndexBytes = 128 << 20
	}
	s := &Store{db: db, locate: locate, blocks: blocks{kept: map[string]*block{}}, figures: figures{kept: map[string]any{}}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.index = cache{store: s, bound: o.IndexBytes, entries: map[string]*index{}, building: make(chan struct{}, builders)}
	return s
}

// Close ends what is under way. Calls after it fail.
func (s *Store) Close() {
	s.index.mu.Lock() // no index begins after it
	s.stop()
	s.index.mu.Unlock()
	s.work.Wait()
}

// Run is the evidence of one run, open for reading. It holds no resources.
type Run struct {
	store    *Store
	dir      string
	manifest *evidence.Manifest
}

// Run opens the evidence at a location. It reads the manifest, each time, so
// that evidence that was deleted or replaced is never answered from memory.
func (s *Store) Run(ctx context.Context, location string) (*Run, error) {
	m, dir, err := s.locate(ctx, location)
	if err != nil {
		return nil, err
	}
	return &Run{store: s, dir: dir, manifest: m}, nil
}

// Manifest describes the run. It must not be changed.
func (r *Run) Manifest() *evidence.Manifest { return r.manifest }

// Rows are records as people see them: values are texts, exact decimals and
// ISO 8601 dates among them, nil for NULL.
type Rows struct {
	Columns []Column    `json:"columns"`
	Rows    [][]*string `json:"rows"`
}

// rows runs a query whose columns are all texts.
func (s *Store) rows(ctx context.Context, query string, args ...any) ([][]*string, error) {
	rows, err := s.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	out := [][]*string{}
	for rows.Next() {
		row := make([]*string, len(names))
		dest := make([]any, len(names))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// numbers runs a query of one column of whole numbers.
func (s *Store) numbers(ctx context.Context, query string, args ...any) ([]int64, error) {
	rows, err := s.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var n sql.NullInt64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n.Int64)
	}
	return out, rows.Err()
}

// reading is the error of a query over a file of the evidence.
func (r *Run) reading(ctx context.Context, file string, err error) error {
	if ctx.Err() != nil {
		return &kalla.Error{Code: kalla.CodeCanceled, Op: "reading records", Why: "cancelled", Err: err}
	}
	switch kalla.CodeOf(err) {
	case kalla.CodeCanceled, kalla.CodeLimit, kalla.CodeUsage, kalla.CodeEvidence:
		return err
	}
	return &kalla.Error{Code: kalla.CodeEvidence, Op: "reading records", Where: file, Err: err,
		Why: "the file is missing or damaged: " + firstLine(err), Hint: "kalla evidence verify " + r.dir + " lists what is wrong; run the recipe again to have it anew"}
}

func usage(where, why, hint string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: "reading records", Where: where, Why: why, Hint: hint}
}
