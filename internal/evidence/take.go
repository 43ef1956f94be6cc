package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/objects"
)

// takenAtOnce is how many parts are brought in side by side; most time goes by
// waiting for the service.
const takenAtOnce = 8

// Take brings in a table that the workers of a cluster wrote as parts, objects
// below from: matched.parquet becomes matched/00000.parquet and so on, in the order
// of the parts, of which there may be none. The schema is that of the table; columns
// of parts are found by position. Each part is read once, and its hash is that of
// what was stored: where the service copies by itself, into a bucket of its own,
// the copy is read. The parts stay where they are. Errors are of CodeEvidence,
// CodeLimit where there is no room, and CodeUsage where another run has the place.
func (w *Writer) Take(ctx context.Context, table string, schema kalla.Schema, parts []engine.Part, from *objects.Prefix) error {
	const op = "bringing in parts"
	folder := partsFolder(table)
	if folder == table || len(schema) == 0 {
		return &kalla.Error{Code: kalla.CodeInternal, Op: op, Where: table, Why: "it is no table of evidence, or without columns"}
	}
	if w.up == nil {
		if err := os.Mkdir(w.Path(folder), 0o750); err != nil {
			return writeError(op, folder, err)
		}
	}
	w.tables[folder] = schema
	files := make([]File, len(parts))
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(takenAtOnce)
	for i, p := range parts {
		g.Go(func() error {
			source, ok := from.Name(p.URI)
			if !ok {
				return &kalla.Error{Code: kalla.CodeInternal, Op: op, Where: p.URI, Why: "the part is not below " + from.String()}
			}
			f, err := w.take(groupCtx, partName(folder, i), source, from)
			if err != nil {
				return writeError(op, p.URI, err)
			}
			if f.Bytes != p.Bytes {
				return &kalla.Error{Code: kalla.CodeEvidence, Op: op, Where: p.URI, Why: fmt.Sprintf("it has %d bytes, the cluster wrote %d", f.Bytes, p.Bytes),
					Hint: "see that nobody else writes below " + from.String() + ", then run again"}
			}
			f.Rows = p.Rows
			files[i] = f
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			return writeError(op, w.final.String(), ctx.Err())
		}
		return err
	}
	for i, f := range files {
		w.parts[partName(folder, i)] = f
	}
	return nil
}

func partName(folder string, i int) string { return fmt.Sprintf("%s/%05d.parquet", folder, i) }

// take stores one part, and returns its size and hash.
func (w *Writer) take(ctx context.Context, name, source string, from *objects.Prefix) (File, error) {
	if w.up == nil {
		file := w.Path(filepath.FromSlash(name))
		f, err := download(ctx, source, from, file)
		if err != nil {
			return File{}, err
		}
		return f, syncPath(file)
	}
	if w.up.bucket.SameService(from) {
		w.up.try(name)
		if err := w.up.bucket.Copy(ctx, name, from, source, w.up.owner); err != nil {
			return File{}, err
		}
		return digest(ctx, name, w.up.bucket, io.Discard)
	}
	file := w.Path(path.Base(path.Dir(name)) + "-" + path.Base(name))
	defer os.Remove(file)
	f, err := download(ctx, source, from, file)
	if err != nil {
		return File{}, err
	}
	return f, w.up.send(ctx, name, file)
}

// download writes an object to a new file, and returns its size and hash.
func download(ctx context.Context, name string, from *objects.Prefix, file string) (f File, err error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return File{}, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return digest(ctx, name, from, out)
}

// digest reads an object to w, and returns its size and hash.
func digest(ctx context.Context, name string, from *objects.Prefix, w io.Writer) (File, error) {
	h := sha256.New()
	n, err := from.Fetch(ctx, name, io.MultiWriter(w, h))
	return File{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}, err
}
