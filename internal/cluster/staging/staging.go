// Package staging brings the sources of a run into the storage of a cluster: by
// the scheduler alone, or in pieces that it deals out to executors.
package staging

import (
	"context"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

var _ engine.Stager = (*Local)(nil)

// Engine is an embedded engine that reads sources and writes objects. It is used by one goroutine.
type Engine interface {
	engine.Inspector
	// StageObjects writes the rows of the inputs as Parquet objects below
	// storage.Path/Input.Table/. storage is an s3 source with the credentials.
	StageObjects(ctx context.Context, inputs []engine.Input, storage source.Source, report func(kalla.Progress)) ([]engine.Staged, error)
}

// Local stages by an engine in this process.
type Local struct {
	Engine
	// Storage is an s3 source whose endpoint and credentials are those of the cluster's storage.
	Storage source.Source
}

// Stage implements engine.Stager.
func (l *Local) Stage(ctx context.Context, inputs []engine.Input, prefix string, report func(kalla.Progress)) ([]engine.Staged, error) {
	storage := l.Storage
	storage.Path = prefix
	return l.StageObjects(ctx, inputs, storage, report)
}
