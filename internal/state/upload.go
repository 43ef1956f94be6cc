package state

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"kalla/internal/job"
)

// UploadStatus is where an upload is.
type UploadStatus string

// The states of an upload.
const (
	UploadPending   UploadStatus = "pending" // a place was given out
	UploadConfirmed UploadStatus = "confirmed"
	UploadExpired   UploadStatus = "expired"
	UploadDeleted   UploadStatus = "deleted"
)

// Upload is a file that somebody sent.
type Upload struct {
	bun.BaseModel `bun:"table:uploads"`

	ID        string       `bun:"id,pk"`
	Filename  string       `bun:"filename"`
	Size      int64        `bun:"size"`   // bytes
	Format    string       `bun:"format"` // by content
	Status    UploadStatus `bun:"status"`
	Location  string       `bun:"location"` // where the app keeps it
	Columns   []job.Column `bun:"columns"`
	Rows      *int64       `bun:"rows"`
	Sample    [][]*string  `bun:"sample"`
	Alias     string       `bun:"alias"` // of the source that was made of it
	CreatedBy string       `bun:"created_by"`
	CreatedAt time.Time    `bun:"created_at"`
	ExpiresAt *time.Time   `bun:"expires_at"` // nil: it stays
}

// CreateUpload adds an upload. Without an ID it gets one; the status is pending where it is empty.
func (s *Store) CreateUpload(ctx context.Context, u Upload) (*Upload, error) {
	if u.ID == "" {
		u.ID = newID()
	}
	if u.Status == "" {
		u.Status = UploadPending
	}
	u.CreatedAt, u.CreatedBy = s.clock(), actor(ctx).ID
	err := s.change(ctx, "noting the upload", func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&u).Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// UpdateUpload stores all but who created it and when. The status it must have had is
// from; another is ErrStale, so that of two that confirm or expire it one does.
func (s *Store) UpdateUpload(ctx context.Context, u Upload, from UploadStatus) error {
	const op = "noting the upload"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		ok, err := changed(tx.NewUpdate().Model(&u).ExcludeColumn("id", "created_by", "created_at").WherePK().Where("status = ?", from).Exec(ctx))
		if err != nil {
			return err
		}
		if !ok {
			there, err := tx.NewSelect().Model((*Upload)(nil)).Where("id = ?", u.ID).Exists(ctx)
			if err == nil && !there {
				return notFound(op, "upload", u.ID)
			}
			if err != nil {
				return err
			}
			return stale(op, u.ID)
		}
		if u.Status == from {
			return nil
		}
		return s.audit(ctx, tx, "upload."+string(u.Status), "upload", u.ID, map[string]any{"filename": u.Filename, "bytes": u.Size, "alias": u.Alias})
	})
}

// Upload returns an upload.
func (s *Store) Upload(ctx context.Context, id string) (*Upload, error) {
	return one[Upload](ctx, s, "reading the upload", "upload", id, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("id = ?", id) })
}

// Uploads returns the uploads of a user, or of all without one, the newest first.
func (s *Store) Uploads(ctx context.Context, createdBy string, p Page) (List[Upload], error) {
	return page(ctx, s, "listing the uploads", p, "id", func(x *Upload) (time.Time, string) { return x.CreatedAt, x.ID },
		func(q *bun.SelectQuery) *bun.SelectQuery {
			if createdBy != "" {
				q = q.Where("created_by = ?", createdBy)
			}
			return q
		})
}

// ExpiredUploads returns up to limit uploads whose time is over and whose files are still there.
func (s *Store) ExpiredUploads(ctx context.Context, limit int) ([]Upload, error) {
	uploads := []Upload{}
	err := s.query(ctx, "looking for old uploads", func(ctx context.Context) error {
		uploads = uploads[:0]
		return s.read.NewSelect().Model(&uploads).Where("expires_at <= ?", s.clock()).
			Where("status IN (?)", bun.List([]UploadStatus{UploadPending, UploadConfirmed})).OrderBy("expires_at", bun.OrderAsc).Limit(int64(limit)).Scan(ctx)
	})
	return uploads, err
}
