package engine

import (
	"context"

	"kalla/internal/source"
)

// Piece is a part of a source that another process reads and writes as one
// object. Its types, checks, filters and derived columns have been settled by
// whoever divided the source.
type Piece struct {
	Source   source.Source `json:"-"` // with its credentials; JSON would mask them
	Catalog  string        // name that Query has for the database of the source
	Snapshot string        // of PostgreSQL, exported by a transaction that stays open until the piece is read; empty for other sources
	Query    string        // in the SQL of the embedded engine; its rows are those to be written
	Lookups  []Lookup      // tables that Query joins
	FirstRow int64         // number of the first row; the others follow

	Storage source.Source `json:"-"` // holds the credentials for what is below its path
	Object  string        // s3:// URI of what is written
}

// Lookup is a table as the embedded engine had it, in an object.
type Lookup struct {
	Table   string
	Object  string   // s3:// URI of a Parquet file
	Columns []string // its columns cast to the types they had, in the SQL of the embedded engine
}

// Dealer has the pieces of sources read by other processes. It is used by several goroutines.
type Dealer interface {
	// Parts is how many pieces are worth dividing a source into.
	Parts() int
	// Deal has the pieces written as objects that no other attempt writes to, in a
	// folder at or beside the one given, which no other call is given, and returns
	// that folder and the rows of all pieces. report is called from any goroutine,
	// with the share of the work that is done, 0..1, and the rows that are written by then.
	//
	// Where the engine failed to read a piece, the error is *kalla.Error if that
	// says why, else the engine's own words.
	Deal(ctx context.Context, pieces []Piece, folder string, report func(share float64, rows int64)) (location string, rows int64, err error)
}
