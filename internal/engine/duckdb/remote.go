package duckdb

import (
	"context"

	"kalla/internal/source"
)

func (s *Session) access(ctx context.Context, src source.Source) error { return nil }

func (s *Session) remoteFiles(ctx context.Context, src source.Source) ([]string, error) {
	return []string{src.Path}, nil
}

func (s *Session) remoteFingerprint(ctx context.Context, src source.Source) (string, error) {
	return "", nil
}
