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

// Room implements engine.PieceWriter.
func (s *Stager) Room(ctx context.Context) (places int, memory int64, err error) {
	if s.Executors == nil {
		return 0, 0, nil
	}
	crew, err := s.assemble(ctx, s.Storage)
	if err != nil || crew == nil {
		return 0, 0, err
	}
	defer crew.close()
	return crew.places, crew.memory, nil
}

// WritePieces implements engine.PieceWriter.
func (s *Stager) WritePieces(ctx context.Context, pieces []engine.Piece, prefix, folder string, report func(share float64)) (string, []engine.Part, error) {
	if s.Executors == nil {
		return "", nil, engine.ErrNoExecutors
	}
	storage := s.Storage
	storage.Path = prefix
	crew, err := s.assemble(ctx, storage)
	if err != nil {
		return "", nil, err
	}
	if crew == nil {
		return "", nil, engine.ErrNoExecutors
	}
	defer crew.close()
	for i := range pieces {
		pieces[i].Source, pieces[i].Storage = storage, storage
	}
	location, rows, err := crew.Deal(ctx, pieces, folder, func(share float64, _ int64) { report(share) })
	if err != nil {
		return "", nil, resultError(ctx, folder, err)
	}
	parts, err := partsAt(ctx, storage, location, rows)
	return location, parts, err
}

// DescribePieces implements engine.PieceWriter.
func (s *Stager) DescribePieces(ctx context.Context, folder string) (kalla.Schema, error) {
	src := s.Storage
	src.Path = folder + "/*.parquet"
	return s.Describe(ctx, engine.Input{Table: "pieces", Alias: "pieces", Source: src})
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
