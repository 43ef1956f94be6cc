package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/objects"
	"kalla/internal/problem"
	"kalla/internal/recipe"
	"kalla/internal/server/auth"
	"kalla/internal/server/content"
	"kalla/internal/state"
)

const (
	// putTime is how long a place to upload to is good for.
	putTime = 15 * time.Minute
	// keepUpload is how long an upload stays that is not kept as a source.
	keepUpload = 24 * time.Hour
	// keepMargin is how long before its end an upload is not kept any more, so that it is not removed meanwhile.
	keepMargin  = time.Minute
	uploadRows  = 20 // of the sample
	tooLargeFor = "split it, compress it, or have the limit raised (--max-upload)"
)

func (s *Server) registerUploads(api huma.API) {
	const uploads = "uploads"
	huma.Register(api, operation(uploads, http.MethodPost, "/api/uploads/presign", "presign-upload", "Get a place to PUT a file to", auth.UploadsWrite), s.presign)
	huma.Register(api, receives(operation(uploads, http.MethodPut, "/api/uploads/{id}/content", "put-upload", "Send the file, to the URL that was signed", auth.Public)), s.receive)
	huma.Register(api, operation(uploads, http.MethodPost, "/api/uploads/{id}/confirm", "confirm-upload", "Have an uploaded file looked at: its format, columns and rows", auth.UploadsWrite), s.confirmUpload)
	huma.Register(api, operation(uploads, http.MethodPost, "/api/uploads/preview", "preview-upload", "Columns and first rows of an uploaded file", auth.UploadsWrite), s.previewUpload)
	huma.Register(api, operation(uploads, http.MethodPost, "/api/uploads/{id}/keep", "keep-upload", "Make a source of an upload", auth.SourcesWrite), s.keepUpload)
}

// UploadPath names an upload.
type UploadPath struct {
	UploadID string `path:"id" minLength:"1" maxLength:"100"`
}

// presign notes an upload and says where its file goes.
func (s *Server) presign(ctx context.Context, in *body[UploadInput]) (*body[UploadPlace], error) {
	if in.Body.Size > s.cfg.MaxUpload {
		return nil, s.tooLarge()
	}
	expires := s.now().Add(keepUpload)
	u := state.Upload{Filename: shownName(in.Body.Filename), Size: in.Body.Size, ExpiresAt: &expires, Columns: []job.Column{}, Sample: [][]*string{}}
	u.ID = newUploadID()
	u.Location = "uploads/" + u.ID + "/" + storedName(u.Filename)
	made, err := s.store.CreateUpload(ctx, u)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	place := UploadPlace{UploadID: made.ID, S3URI: s.uploadURI(made), Expires: s.now().Add(putTime).UTC().Truncate(time.Second), MaxBytes: s.cfg.MaxUpload}
	place.PresignedURL, err = s.placeOf(ctx, made, place.Expires)
	return answer(ctx, s, place, err)
}

// placeOf is the URL that a file is PUT to: of the bucket itself, or of the app.
func (s *Server) placeOf(ctx context.Context, u *state.Upload, expires time.Time) (string, error) {
	if objects.IsURI(s.cfg.Storage) {
		prefix, name, err := s.bucketOf(u)
		if err != nil {
			return "", err
		}
		defer prefix.Close()
		return prefix.Presign(ctx, name, putTime)
	}
	until := strconv.FormatInt(expires.Unix(), 10)
	q := url.Values{"expires": {until}, "signature": {s.store.Sign("upload", u.ID, until)}}
	return "/api/uploads/" + u.ID + "/content?" + q.Encode(), nil
}

func (s *Server) tooLarge() error {
	return problem.New(http.StatusRequestEntityTooLarge, fmt.Sprintf("receiving the upload: the file is larger than %d MB", s.cfg.MaxUpload>>20), tooLargeFor)
}

type uploadConfirm struct {
	UploadPath
	Body UploadRef
}

// confirmUpload looks at what was sent, by content, and remembers what it is.
func (s *Server) confirmUpload(ctx context.Context, in *uploadConfirm) (*body[Upload], error) {
	u, err := s.upload(ctx, in.UploadID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	if id, ok := s.uploadID(in.Body.S3URI); !ok || id != u.ID {
		return nil, problem.New(http.StatusBadRequest, "confirming the upload: s3_uri is not that of the upload", "send s3_uri as presign answered it")
	}
	if u.Status == state.UploadConfirmed {
		return &body[Upload]{s.uploadOf(u)}, nil
	}
	found, err := s.inspect(ctx, u, in.Body.Options)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	expires := s.now().Add(keepUpload)
	u.Status, u.ExpiresAt = state.UploadConfirmed, &expires
	u.Columns, u.Sample, u.Rows = found.Columns, found.Rows, found.TotalRows
	if in.Body.Filename != "" {
		u.Filename = shownName(in.Body.Filename)
	}
	err = s.store.UpdateUpload(ctx, *u, state.UploadPending)
	if errors.Is(err, state.ErrStale) { // by the same request a moment before
		u, err = s.upload(ctx, in.UploadID)
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &body[Upload]{s.uploadOf(u)}, nil
}

// inspect finds out what the file of an upload is, and has the scheduler read it.
func (s *Server) inspect(ctx context.Context, u *state.Upload, options map[string]string) (job.Preview, error) {
	file, err := s.openUpload(ctx, u)
	if err != nil {
		return job.Preview{}, err
	}
	defer file.Close()
	if file.Size() > s.cfg.MaxUpload {
		return job.Preview{}, s.tooLarge()
	}
	what, err := content.Of(file, file.Size())
	if err != nil {
		return job.Preview{}, err
	}
	u.Size, u.Format = file.Size(), string(what.Format)
	if what.Compression != "none" {
		u.Format += "+" + what.Compression
	}
	return s.cfg.Scheduler.Preview(ctx, job.PreviewRequest{URI: s.storagePath(u.Location), Options: readingOptions(u, options), Limit: uploadRows})
}

func (s *Server) uploadOf(u *state.Upload) Upload {
	out := Upload{
		UploadID: u.ID, Filename: u.Filename, S3URI: s.uploadURI(u), Format: formatOf(u), Bytes: u.Size,
		Columns: namesOf(u.Columns), Schema: u.Columns, Rows: u.Sample, Expires: u.ExpiresAt,
	}
	if u.Rows != nil {
		out.RowCount = *u.Rows
	}
	return out
}

func namesOf(columns []job.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// previewUpload shows an upload, confirmed or not.
func (s *Server) previewUpload(ctx context.Context, in *body[UploadRef]) (*body[UploadPreview], error) {
	id, ok := s.uploadID(in.Body.S3URI)
	if !ok {
		return nil, problem.New(http.StatusBadRequest, "previewing the upload: s3_uri is not that of an upload", "send s3_uri as presign answered it")
	}
	u, err := s.upload(ctx, id)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	found := job.Preview{Columns: u.Columns, Rows: u.Sample, TotalRows: u.Rows}
	if u.Status != state.UploadConfirmed || len(in.Body.Options) > 0 {
		if found, err = s.inspect(ctx, u, in.Body.Options); err != nil {
			return nil, s.problem(ctx, err)
		}
	}
	out := UploadPreview{Columns: namesOf(found.Columns), Schema: found.Columns, Sample: make([]map[string]*string, len(found.Rows))}
	if found.TotalRows != nil {
		out.RowCount = *found.TotalRows
	}
	for i, row := range found.Rows {
		out.Sample[i] = make(map[string]*string, len(row))
		for k, value := range row {
			out.Sample[i][found.Columns[k].Name] = value
		}
	}
	return &body[UploadPreview]{out}, nil
}

type uploadKeep struct {
	UploadPath
	Body UploadKeep
}

// keepUpload makes a source of a confirmed upload, which then stays as long as the source.
func (s *Server) keepUpload(ctx context.Context, in *uploadKeep) (*tagged[Source], error) {
	u, err := s.upload(ctx, in.UploadID)
	switch {
	case err != nil:
		return nil, s.problem(ctx, err)
	case u.Status != state.UploadConfirmed:
		return nil, problem.New(http.StatusConflict, "keeping the upload: it is not confirmed", "POST /api/uploads/"+u.ID+"/confirm first")
	case u.Alias != "" && u.Alias != in.Body.Alias:
		return nil, problem.New(http.StatusConflict, "keeping the upload: it is the source "+u.Alias+" already", "use that source, or delete it")
	case u.Alias == "" && u.ExpiresAt.Before(s.now().Add(keepMargin)):
		return nil, problem.New(http.StatusConflict, "keeping the upload: its time is over", "upload the file again")
	}
	_, faults := recipe.ParseTypes("types", in.Body.Types)
	if faults = append(faults, s.readableUpload(u, in.Body.Options)...); len(faults) > 0 {
		return nil, s.problem(ctx, &kalla.Error{Code: kalla.CodeSource, Op: "keeping the upload", Where: in.Body.Alias, Err: faults})
	}
	if u.Alias == "" {
		if _, err := s.store.Source(ctx, in.Body.Alias); err == nil {
			return nil, problem.New(http.StatusConflict, "keeping the upload: there is a source "+in.Body.Alias+" already", "choose another alias, or delete that source")
		} else if !errors.Is(err, state.ErrNotFound) {
			return nil, s.problem(ctx, err)
		}
		u.Alias, u.ExpiresAt = in.Body.Alias, nil
		if err := s.store.UpdateUpload(ctx, *u, state.UploadConfirmed); err != nil {
			return nil, s.problem(ctx, err)
		}
	}
	// The file stays from now on. If the source cannot be saved it expires after all.
	if err := s.saveKept(ctx, u, in.Body); err != nil {
		if released := s.releaseUpload(context.WithoutCancel(ctx), u.ID, u.Alias); released != nil {
			s.logOf(ctx).Error("an upload stays although it is no source", "upload_id", u.ID, "error", released)
		}
		return nil, s.problem(ctx, err)
	}
	return s.getSource(ctx, &SourcePath{in.Body.Alias})
}

func (s *Server) saveKept(ctx context.Context, u *state.Upload, in UploadKeep) error {
	uri := s.uploadURI(u)
	none := int64(0)
	if old, err := s.store.Source(ctx, in.Alias); err == nil && old.UploadID == u.ID {
		none = old.Revision // kept before: with other options now
	}
	src, err := s.store.SaveSource(ctx, state.SourceInput{
		Alias: in.Alias, Type: s.storageType(), URI: uri, Options: in.Options, Secret: &state.Secret{URI: uri, Options: in.Options},
		Types: in.Types, UploadID: u.ID, Expect: &none,
	})
	if errors.Is(err, state.ErrStale) {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "keeping the upload", Where: in.Alias, Why: "there is a source of this alias already", Err: state.ErrExists, Hint: "choose another alias"}
	}
	if err != nil {
		return err
	}
	return s.store.CheckedSource(ctx, src.Alias, state.SourceCheck{Status: state.SourceConnected, Columns: u.Columns, Rows: u.Rows})
}
