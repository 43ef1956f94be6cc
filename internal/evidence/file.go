package evidence

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"kalla"
	"kalla/internal/objects"
)

// OpenFile opens a file that the manifest names, or the manifest, while ctx
// lasts. The caller closes it.
func OpenFile(ctx context.Context, l Location, m *Manifest, name string) (io.ReadSeekCloser, error) {
	const op = "reading evidence"
	if _, ok := m.Files[name]; name != ManifestFile && (!ok || !local(name)) {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: name, Why: "the evidence has no such file", Err: os.ErrNotExist}
	}
	if l.uri == "" {
		f, err := os.Open(filepath.Join(l.dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, writeError(op, l.join(name), err)
		}
		return f, nil
	}
	bucket, err := l.open()
	if err != nil {
		return nil, err
	}
	r, err := bucket.Reader(ctx, name)
	if err != nil {
		bucket.Close()
		return nil, writeError(op, l.join(name), err)
	}
	return &bucketFile{r, bucket}, nil
}

// bucketFile is an object that closes its connections too.
type bucketFile struct {
	*objects.Reader
	bucket *objects.Prefix
}

// Close implements io.Closer.
func (f *bucketFile) Close() error {
	defer f.bucket.Close()
	return f.Reader.Close()
}
