package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"kalla"
	"kalla/internal/objects"
	"kalla/internal/state"
)

// sweptAtOnce bounds what one look for expired uploads returns.
const sweptAtOnce = 100

// Sweep removes what has expired: sessions, answers kept for repeated requests,
// and uploads. Start does so every hour.
func (s *Server) Sweep(ctx context.Context) error {
	return errors.Join(s.store.Sweep(ctx), s.sweepUploads(ctx))
}

// sweepUploads removes uploads whose time is over. The file goes first: if the
// process ends between, the next sweep finds the upload again. Several may sweep at once.
func (s *Server) sweepUploads(ctx context.Context) error {
	for {
		expired, err := s.store.ExpiredUploads(ctx, sweptAtOnce)
		if err != nil || len(expired) == 0 {
			return err
		}
		for _, u := range expired {
			if err := s.removeUpload(ctx, &u); err != nil {
				return err
			}
			before := u.Status
			u.Status = state.UploadExpired
			if err := s.store.UpdateUpload(ctx, u, before); err != nil && !errors.Is(err, state.ErrStale) {
				return err
			}
		}
	}
}

func (s *Server) removeUpload(ctx context.Context, u *state.Upload) error {
	if objects.IsURI(s.cfg.Storage) {
		prefix, name, err := s.bucketOf(u)
		if err != nil {
			return err
		}
		defer prefix.Close()
		return prefix.Delete(ctx, name)
	}
	if err := os.RemoveAll(filepath.Dir(s.localPath(u))); err != nil {
		return &kalla.Error{Code: kalla.CodeInternal, Op: "removing the upload", Where: u.ID, Err: err}
	}
	return nil
}

// releaseUpload lets the upload of a source expire, once the source is gone or
// is made of something else. Runs that were submitted before still find it for a day.
func (s *Server) releaseUpload(ctx context.Context, id, alias string) error {
	u, err := s.store.Upload(ctx, id)
	if errors.Is(err, state.ErrNotFound) || err == nil && u.Alias != alias {
		return nil
	}
	if err != nil {
		return err
	}
	expires := s.now().Add(keepUpload)
	u.Alias, u.ExpiresAt = "", &expires
	err = s.store.UpdateUpload(ctx, *u, u.Status)
	if errors.Is(err, state.ErrStale) {
		return nil
	}
	return err
}
