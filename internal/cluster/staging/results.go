package staging

import (
	"context"
	"errors"
	"fmt"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/objects"
	"kalla/internal/source"
)

var _ engine.PieceWriter = (*Stager)(nil)

// WritePieces implements engine.PieceWriter.
func (s *Stager) WritePieces(ctx context.Context, queries []string, prefix, folder string, report func(share float64)) ([]engine.Part, error) {
	if s.Executors == nil {
		return nil, engine.ErrNoExecutors
	}
	storage := s.Storage
	storage.Path = prefix
	crew, err := s.assemble(ctx, storage)
	if err != nil {
		return nil, err
	}
	if crew == nil {
		return nil, engine.ErrNoExecutors
	}
	defer crew.close()
	pieces := make([]engine.Piece, len(queries))
	for i, q := range queries {
		pieces[i] = engine.Piece{Source: storage, Storage: storage, Query: q, Result: true}
	}
	location, rows, err := crew.Deal(ctx, pieces, folder, func(share float64, _ int64) { report(share) })
	if err != nil {
		return nil, resultError(ctx, folder, err)
	}
	return partsAt(ctx, storage, location, rows)
}

// resultError says of an error in the engine's own words where it came about.
func resultError(ctx context.Context, folder string, err error) error {
	var known *kalla.Error
	if errors.As(err, &known) || ctx.Err() != nil {
		return err
	}
	return &kalla.Error{Code: kalla.CodeEngine, Op: "writing results on the executors", Where: folder, Why: err.Error(), Err: err}
}

// partsAt are the objects of the pieces that have rows.
func partsAt(ctx context.Context, storage source.Source, location string, rows []int64) ([]engine.Part, error) {
	storage.Path = location
	p, err := objects.At(storage)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	sizes, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	var parts []engine.Part
	for n, r := range rows {
		size, ok := sizes[object(n)]
		switch {
		case r == 0:
		case !ok:
			return nil, &kalla.Error{Code: kalla.CodeEngine, Op: "writing results on the executors", Where: location + "/" + object(n),
				Why: fmt.Sprintf("the object with %d rows is not there", r), Hint: "the object storage does not show what was written to it; run again"}
		default:
			parts = append(parts, engine.Part{URI: location + "/" + object(n), Bytes: size, Rows: r})
		}
	}
	return parts, nil
}
