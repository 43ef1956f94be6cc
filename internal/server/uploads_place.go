package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"kalla"
	"kalla/internal/objects"
	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/source"
	"kalla/internal/state"
)

// uploadScheme is how uploads are called that the app keeps itself. Those in a
// bucket are called by their s3:// URI, as the product's predecessor has it.
const uploadScheme = "upload://"

func newUploadID() string { return uuid.Must(uuid.NewV7()).String() }

// uploadURI is what an upload is called outside.
func (s *Server) uploadURI(u *state.Upload) string {
	if !objects.IsURI(s.cfg.Storage) {
		return uploadScheme + u.ID + "/" + path.Base(u.Location)
	}
	uri, _, _ := strings.Cut(s.storagePath(u.Location), "?")
	return uri
}

// uploadID is the upload that a URI names, if it is one.
func (s *Server) uploadID(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(uri), uploadScheme)
	if !ok && objects.IsURI(s.cfg.Storage) {
		base, _, _ := strings.Cut(s.storagePath("uploads/"), "?")
		rest, ok = strings.CutPrefix(strings.TrimSpace(uri), base)
	}
	id, _, _ := strings.Cut(rest, "/")
	return id, ok
}

// storageType is the type of sources that are uploads.
func (s *Server) storageType() source.Type {
	if objects.IsURI(s.cfg.Storage) {
		return source.S3
	}
	return source.File
}

// upload is an upload that is there, and that whoever asks may use: one's own,
// or one that was kept as a source. To others there is none.
func (s *Server) upload(ctx context.Context, id string) (*state.Upload, error) {
	u, err := s.store.Upload(ctx, id)
	if err != nil {
		return nil, err
	}
	missing := &kalla.Error{Code: kalla.CodeUsage, Op: "reading the upload", Where: id, Why: "there is no such upload", Hint: "upload the file again", Err: state.ErrNotFound}
	if p := auth.PrincipalOf(ctx); p != nil && p.User.ID != u.CreatedBy && p.User.Role != auth.Admin && u.Alias == "" {
		return nil, missing
	}
	if u.Status == state.UploadExpired || u.Status == state.UploadDeleted || u.ExpiresAt != nil && !s.now().Before(*u.ExpiresAt) {
		missing.Why = "the upload was removed when its time was over"
		return nil, missing
	}
	return u, nil
}

// located is where the scheduler finds what a URI names: an upload is in the
// storage, and is read as what it is. Other URIs stay as they are.
func (s *Server) located(ctx context.Context, uri string, options map[string]string) (string, map[string]string, error) {
	id, ok := s.uploadID(uri)
	if !ok {
		return uri, options, nil
	}
	u, err := s.upload(ctx, id)
	if err != nil {
		return "", nil, err
	}
	if u.Status != state.UploadConfirmed {
		return "", nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the upload", Where: id, Why: "the upload is not confirmed",
			Hint: "POST /api/uploads/" + id + "/confirm first", Err: state.ErrNotFound}
	}
	return s.storagePath(u.Location), readingOptions(u, options), nil
}

// readingOptions are options with the format that the content has, whatever the name says.
func readingOptions(u *state.Upload, options map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, options)
	_, compression, compressed := strings.Cut(u.Format, "+")
	out["format"] = formatOf(u)
	if out["compression"] = "none"; compressed {
		out["compression"] = compression
	}
	return out
}

// readableUpload says what is wrong with the options that an upload is to be read with.
func (s *Server) readableUpload(u *state.Upload, options map[string]string) kalla.Faults {
	err := readable(s.storagePath(u.Location), readingOptions(u, options))
	if known, ok := errors.AsType[*kalla.Error](err); ok {
		return kalla.Faults{{Path: "options", Problem: known.Why, Hint: known.Hint}}
	}
	return nil
}

func formatOf(u *state.Upload) string {
	format, _, _ := strings.Cut(u.Format, "+")
	return format
}

// uploadFile is the file of an upload.
type uploadFile interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

type localFile struct {
	*os.File
	size int64
}

func (f localFile) Size() int64 { return f.size }

type bucketFile struct {
	*objects.Object
	prefix *objects.Prefix
}

func (f bucketFile) Close() error { f.prefix.Close(); return nil }

// notSent is the problem of an upload without a file.
func notSent() error {
	return problem.New(http.StatusBadRequest, "reading the upload: nothing has been sent yet", "PUT the file to presigned_url first")
}

func (s *Server) openUpload(ctx context.Context, u *state.Upload) (uploadFile, error) {
	if objects.IsURI(s.cfg.Storage) {
		prefix, name, err := s.bucketOf(u)
		if err != nil {
			return nil, err
		}
		object, err := prefix.Object(ctx, name)
		if err != nil {
			prefix.Close()
			if objects.IsNotExist(err) {
				err = notSent()
			}
			return nil, err
		}
		return bucketFile{object, prefix}, nil
	}
	f, err := os.Open(s.localPath(u))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notSent()
	}
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "reading the upload", Where: u.ID, Err: err}
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "reading the upload", Where: u.ID, Err: err}
	}
	return localFile{f, info.Size()}, nil
}

// bucketOf is the prefix of an upload in the bucket, and the name of its object there.
func (s *Server) bucketOf(u *state.Upload) (*objects.Prefix, string, error) {
	folder, name := path.Split(u.Location)
	prefix, err := objects.Open(s.storagePath(strings.TrimSuffix(folder, "/")), s.cfg.LookupEnv)
	return prefix, name, err
}

func (s *Server) localPath(u *state.Upload) string {
	return filepath.Join(s.cfg.Storage, filepath.FromSlash(u.Location))
}

// shownName is the name of a file as people see it: without folders, and
// without what changes how it is shown.
func shownName(name string) string {
	name = strings.ToValidUTF8(name, "")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // Cf turns the direction of what follows, among others
			return -1
		}
		return r
	}, name))
	if name = shortened(name, 255); strings.Trim(name, ". ") == "" {
		return "upload"
	}
	return name
}

// storedName is the name of a file in the storage: letters, digits, points, dashes and underscores, none of which
// mean anything to a shell, to a URI or to a pattern of files.
func storedName(name string) string {
	name = strings.TrimLeft(strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)) {
			return r
		}
		return '_'
	}, name), ".-")
	if name = shortened(name, 100); name == "" {
		return "upload"
	}
	return name
}

// shortened cuts a name to so many bytes, and leaves its extension.
func shortened(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > 20 {
		ext = ""
	}
	cut := limit - len(ext)
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + ext
}
