package engine

import (
	"context"
	"errors"

	"kalla"
	"kalla/internal/match"
)

// ErrLost is in the chain of errors that say nothing of the run: nodes of the
// cluster went away, again and again. When they are back the run may be tried again.
var ErrLost = errors.New("nodes of the cluster were lost")

// Stager brings sources into the storage of a cluster, for an engine whose
// tables are objects.
type Stager interface {
	Inspector
	// Stage reads all inputs, in their order for what derived columns look up, and
	// writes each as Parquet objects below prefix/Input.Table/, prefix being an
	// s3:// URI without credentials. The rows and types are those that the embedded
	// engine would stage; derived columns and filters are applied. Errors are
	// *kalla.Error with CodeSource and name file, line and column where there is one.
	Stage(ctx context.Context, inputs []Input, prefix string, report func(kalla.Progress)) ([]Staged, error)
}

// RowColumn is the first column of a staged object: a BIGINT that is unique in the table.
const RowColumn = "kalla_row"

// Staged is a source in the storage of a cluster.
type Staged struct {
	Table
	// Location is the s3:// URI, without credentials, of the folder of its Parquet objects.
	// Their columns are RowColumn, then those of Schema in that order, found by position:
	// BIGINT, DECIMAL(p,s), DOUBLE, BOOLEAN, DATE, TIMESTAMP of microseconds (one with a
	// time zone in UTC), and text for all the rest.
	Location string
	// Pieces is how many pieces it was read in by others; see PieceBits. Up to 1, rows are numbered from 0 on.
	Pieces int
}

// PartWriter is a Session whose workers write results as objects of the cluster's storage.
type PartWriter interface {
	// WriteParts writes the rows of a result as Parquet objects; there may be none where there are no rows.
	// Columns are found by position and are those of the result's schema; a timestamp with time zone is one without, in UTC.
	WriteParts(ctx context.Context, r Result) ([]Part, error)
}

// Result is a query whose rows are to be written.
type Result struct {
	Name   string
	Query  string       // in the dialect of the session
	Schema kalla.Schema // of the query, with the types of Session.Columns
	// Embedded is the same query in the dialect of the embedded engine, for which
	// staged objects are tables with the column RowColumn; empty where there is none.
	Embedded string
	Per      match.Per
}

// Part is one object of a result.
type Part struct {
	URI   string // s3://bucket/key without credentials
	Bytes int64
	Rows  int64
}
