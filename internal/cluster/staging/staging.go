// Package staging brings the sources of a run into the storage of a cluster. The
// scheduler settles what is read and of what types it is; what executors can
// read as well is dealt out to them in pieces: ranges of a PostgreSQL table within
// one snapshot, and objects. The rest the scheduler reads itself. Results are dealt
// out likewise: shares of what a plan does row by row, over the objects of the run.
//
// An executor runs what it is asked to read. Whoever knows the key of the cluster
// may ask; requests and answers are sealed with it, for they hold the credentials
// of sources. What may be read is decided by the policy of the scheduler.
package staging

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/seal"
	"kalla/internal/source"
)

var _ engine.Stager = (*Stager)(nil)

// Engine is an embedded engine that reads sources and writes objects. It is used by one goroutine.
type Engine interface {
	engine.Inspector
	// StageObjects writes the rows of the inputs as Parquet objects below
	// storage.Path/Input.Table/. storage is an s3 source with the credentials. What
	// others can read is given to the dealer, which may be nil.
	StageObjects(ctx context.Context, inputs []engine.Input, storage source.Source, dealer engine.Dealer, report func(kalla.Progress)) ([]engine.Staged, error)
}

// Stager stages by an engine in this process and, where there are some, executors.
type Stager struct {
	Engine
	// Storage is an s3 source whose endpoint and credentials are those of the cluster's storage.
	Storage source.Source
	// Executors returns the URLs of the executors' daemons, as they are now. It may be nil.
	Executors func(ctx context.Context) ([]string, error)
	// Client sends requests to them. It has no time limit of its own.
	Client *http.Client
	// Keys are those of the executors' handlers.
	Keys *seal.Keys
	// Partitions is how many pieces a source is divided into at most; 0 means two for each place of an executor.
	Partitions int
}

// Stage implements engine.Stager.
func (s *Stager) Stage(ctx context.Context, inputs []engine.Input, prefix string, report func(kalla.Progress)) ([]engine.Staged, error) {
	storage := s.Storage
	storage.Path = prefix
	if s.Executors == nil {
		return s.StageObjects(ctx, inputs, storage, nil, report)
	}
	crew, err := s.assemble(ctx, storage)
	if err != nil {
		return nil, err
	}
	if crew == nil {
		return s.StageObjects(ctx, inputs, storage, nil, report)
	}
	defer crew.close()
	return s.StageObjects(ctx, inputs, storage, crew, report)
}

// Keys makes keys of 32 bytes that scheduler and executors share.
func Keys(key []byte) (*seal.Keys, error) {
	return seal.Parse(base64.StdEncoding.EncodeToString(key))
}

// Path is where the daemon of an executor has its Handler.
const Path = "/staging"

// A request is sealed for one place and an answer for another, with the request's
// number, so that none can stand for the other or for that of another request.
const (
	requestPlace = "staging request"
	answerPlace  = "staging answer"
)

// request asks an executor for a piece.
type request struct {
	ID      string // never used again
	Issued  time.Time
	Piece   engine.Piece
	Source  []byte // of the piece, with its secrets
	Storage []byte
}

// answer is one line of what an executor answers: how far it is, every half second, and in the end what came of it.
type answer struct {
	Share float64
	Done  bool
	Rows  int64
	Error *fault
}

// fault is an error on its way. An error without a class is in the engine's own
// words: the scheduler, who knows the source, finds out what they mean.
type fault struct {
	Code                 kalla.Code
	Op, Where, Why, Hint string
}

func faultOf(err error) *fault {
	var e *kalla.Error
	if !errors.As(err, &e) {
		return &fault{Why: err.Error()}
	}
	f := &fault{Code: e.Code, Op: e.Op, Where: e.Where, Why: e.Why, Hint: e.Hint}
	if f.Why == "" && e.Err != nil {
		f.Why = e.Err.Error()
	}
	return f
}

func (f *fault) err() error {
	if f.Code == "" {
		return errors.New(f.Why)
	}
	return &kalla.Error{Code: f.Code, Op: f.Op, Where: f.Where, Why: f.Why, Hint: f.Hint}
}
