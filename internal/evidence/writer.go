package evidence

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/sync/errgroup"

	"kalla"
	"kalla/internal/machine"
	"kalla/internal/scratch"
)

const (
	preparing  = "preparing evidence"
	publishing = "publishing evidence"
)

// Writer is evidence in the making. It is used by one goroutine. It writes into
// a private folder: a hidden one beside the final one, on the same file system,
// so that publishing is one rename; or, for a bucket, one for temporary files,
// whose files are uploaded, the manifest last.
type Writer struct {
	final  Location
	temp   *scratch.Dir
	up     *uploads                // for a bucket
	tables map[string]kalla.Schema // that are in parts, by folder
	parts  map[string]File         // by name, hashed
	done   bool                    // published or aborted
}

// Begin prepares the evidence of a run: the location must hold nothing yet (an
// empty folder may be there). Litter of killed runs beside a folder, and of
// killed attempts of the same run in a bucket, is removed. The caller ends with
// Publish or Abort.
func Begin(ctx context.Context, final Location, runID string) (*Writer, error) {
	if final.uri != "" {
		return beginUpload(ctx, final, runID)
	}
	if err := checkFree(final.dir, final.String()); err != nil {
		return nil, err
	}
	parent := filepath.Dir(final.dir)
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return nil, writeError(preparing, parent, err)
	}
	scratch.Sweep(parent, ".")
	// A name of its own: that of a killed attempt may be in another one's hands, who is sweeping it.
	temp, err := scratch.Make(filepath.Join(parent, "."+rand.Text()+scratch.Suffix))
	if err != nil {
		return nil, writeError(preparing, parent, err)
	}
	return newWriter(final, temp), nil
}

func newWriter(final Location, temp *scratch.Dir) *Writer {
	return &Writer{final: final, temp: temp, tables: map[string]kalla.Schema{}, parts: map[string]File{}}
}

// checkFree refuses a place that already holds something.
func checkFree(final, shown string) error {
	entries, err := os.ReadDir(final)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && len(entries) == 0:
		return nil
	case err == nil:
		return &kalla.Error{
			Code: kalla.CodeUsage, Op: preparing, Where: shown,
			Why:  "the folder exists and is not empty; evidence is never overwritten",
			Hint: "choose another folder with --out, or move this one away",
		}
	}
	if info, statErr := os.Stat(final); statErr == nil && !info.IsDir() {
		return &kalla.Error{
			Code: kalla.CodeUsage, Op: preparing, Where: shown,
			Why:  "a file of that name exists; evidence is a folder",
			Hint: "choose another folder with --out",
		}
	}
	return writeError(preparing, shown, err)
}

// Dir is the private folder that the engine writes into.
func (w *Writer) Dir() string { return w.temp.Path() }

// Final is where the evidence is once it is published.
func (w *Writer) Final() Location { return w.final }

// Path is where the engine is to write the file of that name.
func (w *Writer) Path(name string) string { return filepath.Join(w.temp.Path(), name) }

// Publish completes the folder and brings it to its final place: it writes
// summary.json, hashes every file and writes manifest.json last. A folder is made
// durable and appears in one step; in a bucket nothing is evidence until the
// manifest is there. m.Files must hold the rows and schema of every Parquet file
// in Dir; what Take brought in is added, m.Format, m.Summary.Parts, sizes and hashes
// are filled in. On an error nothing is published and the caller still calls Abort.
func (w *Writer) Publish(ctx context.Context, m Manifest) error {
	if w.done {
		return &kalla.Error{Code: kalla.CodeInternal, Op: publishing, Where: w.final.String(), Why: "already published or aborted"}
	}
	m.Format = 1
	if len(w.tables) > 0 {
		m.Format, m.Tables, m.Summary.Parts = FormatVersion, w.tables, true
	}
	if err := writeJSON(w.Path(SummaryFile), m.Summary); err != nil {
		return writeError(publishing, SummaryFile, err)
	}
	// Where the folder lies is not part of what it says: it may be moved.
	m.Summary.Evidence = ""
	files, err := w.describeFiles(ctx, m.Files)
	if err != nil {
		return err
	}
	maps.Copy(files, w.parts)
	m.Files = files
	if err := writeJSON(w.Path(ManifestFile), m); err != nil {
		return writeError(publishing, ManifestFile, err)
	}
	if w.up == nil {
		return w.rename()
	}
	if err := w.upload(ctx, &m); err != nil {
		return err
	}
	w.up.keep()
	w.Abort()
	return nil
}

// rename makes the folder durable and moves it to its place.
func (w *Writer) rename() error {
	final := w.final.dir
	if err := syncPath(w.Path(ManifestFile)); err != nil {
		return writeError(publishing, ManifestFile, err)
	}
	for folder := range w.tables {
		if err := syncPath(w.Path(folder)); err != nil {
			return writeError(publishing, final, err)
		}
	}
	if err := syncPath(w.temp.Path()); err != nil {
		return writeError(publishing, final, err)
	}
	// An empty folder in the way is removed; one that has been filled since
	// Begin makes Remove fail, and then Rename.
	_ = os.Remove(final)
	if err := os.Rename(w.temp.Path(), final); err != nil {
		if free := checkFree(final, final); free != nil {
			return free
		}
		return writeError(publishing, final, err)
	}
	w.temp.Keep()
	w.done = true
	if err := syncPath(filepath.Dir(final)); err != nil {
		return writeError(publishing, final, err)
	}
	return nil
}

// Abort removes everything that was written. After Publish it does nothing, so
// it can be deferred.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	_ = w.temp.Remove()
	if w.up != nil {
		w.up.end()
	}
}

// describeFiles hashes all files of the folder, makes them durable, and joins
// that with what the caller knows about them.
func (w *Writer) describeFiles(ctx context.Context, known map[string]File) (map[string]File, error) {
	entries, err := os.ReadDir(w.temp.Path())
	if err != nil {
		return nil, writeError(publishing, w.final.String(), err)
	}
	var names []string
	for _, e := range entries {
		if _, ok := w.tables[e.Name()]; ok && e.IsDir() {
			continue // parts were hashed when they came
		}
		if !e.Type().IsRegular() {
			return nil, &kalla.Error{Code: kalla.CodeInternal, Op: publishing, Where: e.Name(), Why: "the engine left something that is not a file"}
		}
		if _, ok := known[e.Name()]; !ok && e.Name() != SummaryFile {
			return nil, &kalla.Error{Code: kalla.CodeInternal, Op: publishing, Where: e.Name(), Why: "the engine wrote a file that the manifest does not name"}
		}
		names = append(names, e.Name())
	}
	for name := range known {
		if _, err := os.Stat(w.Path(name)); err != nil {
			return nil, writeError(publishing, name, err)
		}
	}
	described, err := hashAll(ctx, w.temp.Path(), names, w.final.uri == "")
	if err != nil {
		return nil, err
	}
	for name, f := range described {
		f.Rows, f.Schema = known[name].Rows, known[name].Schema
		described[name] = f
	}
	return described, nil
}

// hashAll returns the size and SHA-256 of the named files of dir, two at a
// time, the largest first so that both workers end together. With durable it
// also flushes them to the disk.
func hashAll(ctx context.Context, dir string, names []string, durable bool) (map[string]File, error) {
	sizes := make(map[string]int64, len(names))
	for _, n := range names {
		if info, err := os.Stat(filepath.Join(dir, n)); err == nil {
			sizes[n] = info.Size()
		}
	}
	order := append([]string(nil), names...)
	sort.SliceStable(order, func(i, j int) bool { return sizes[order[i]] > sizes[order[j]] })

	results := make([]File, len(order))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for i, name := range order {
		g.Go(func() error {
			f, err := hashFile(ctx, filepath.Join(dir, name), durable)
			if err != nil {
				return writeError("hashing evidence", name, err)
			}
			results[i] = f
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make(map[string]File, len(order))
	for i, name := range order {
		out[name] = results[i]
	}
	return out, nil
}

// hashFile returns the size and SHA-256 of one file.
func hashFile(ctx context.Context, path string, durable bool) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, contextReader{ctx, f}, make([]byte, min(1<<20, info.Size()+1))) // most files are small
	if err != nil {
		return File{}, err
	}
	if durable {
		if err := syncPath(path); err != nil {
			return File{}, err
		}
	}
	return File{SHA256: hex.EncodeToString(h.Sum(nil)), Bytes: n}, nil
}

// contextReader ends reading when the context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// writeJSON writes v as indented JSON with a final newline.
func writeJSON(path string, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o640)
}

// writeError is an error about the evidence folder; an ended context keeps its class.
func writeError(op, where string, err error) error {
	var known *kalla.Error
	if errors.As(err, &known) {
		return err
	}
	code, why, hint := kalla.CodeEvidence, "", ""
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		code = kalla.CodeCanceled
	case errors.As(err, &pe):
		why = pe.Err.Error()
	case errors.As(err, &le):
		why = le.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = "choose a folder that you may write to with --out"
	case machine.DiskFull(err):
		code, hint = kalla.CodeLimit, "free some space, choose another disk with --out, or keep less with --evidence keys"
	}
	return &kalla.Error{Code: code, Op: op, Where: where, Why: why, Hint: hint, Err: err}
}
