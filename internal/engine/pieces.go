package engine

import (
	"context"
	"errors"

	"kalla"
	"kalla/internal/match"
	"kalla/internal/source"
)

// PieceBits is how many bits of the number of a staged row count inside a piece:
// the rows of the n-th piece of a source, from 0, begin at n<<PieceBits.
const PieceBits = 40

// Piece is a part of a source, or of a result, that another process reads and
// writes as one object. Types, checks, filters and derived columns have been
// settled by whoever divided it.
type Piece struct {
	Source   source.Source `json:"-"` // with its credentials; JSON would mask them
	Catalog  string        // name that Query has for the database of the source
	Snapshot string        // of PostgreSQL, exported by a transaction that stays open until the piece is read; empty for other sources
	Query    string        // in the SQL of the embedded engine; its rows are those to be written
	Lookups  []Lookup      // tables that Query joins
	Views    []View        // that Script and Query are over
	Script   match.Script  // runs before Query; the tables that it makes go with the piece
	FirstRow int64         // number of the first row; the others follow

	Storage source.Source `json:"-"` // holds the credentials for what is below its path
	Object  string        // s3:// URI of what is written
	Result  bool          // it is written as evidence is, not as a staged source
}

// View is a query over objects, by a name.
type View struct{ Name, Query string }

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
	// that folder and how many rows each piece has. report is called from any goroutine,
	// with the share of the work that is done, 0..1, and the rows that are written by then.
	//
	// Where the engine failed to read a piece, the error is *kalla.Error if that
	// says why, else the engine's own words.
	Deal(ctx context.Context, pieces []Piece, folder string, report func(share float64, rows int64)) (location string, rows []int64, err error)
}

// PieceWriter is a Stager whose executors write results too.
type PieceWriter interface {
	// Room is how many pieces are written at once, and how many bytes each may take; 0 where there is nobody.
	Room(ctx context.Context) (places int, memory int64, err error)
	// WritePieces has pieces, that need no source and no object named, written over the
	// objects of a run, which are all below prefix: as objects in a folder at or beside the
	// one given, which is returned, with the objects that have rows. It gives
	// ErrNoExecutors where there is nobody to do it.
	WritePieces(ctx context.Context, pieces []Piece, prefix, folder string, report func(share float64)) (location string, parts []Part, err error)
	// DescribePieces gives the columns of what is in such a folder.
	DescribePieces(ctx context.Context, folder string) (kalla.Schema, error)
}

// ErrNoExecutors says that nobody is there who could write pieces.
var ErrNoExecutors = errors.New("there are no executors")
