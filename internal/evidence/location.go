package evidence

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"kalla"
	"kalla/internal/objects"
	"kalla/internal/scratch"
)

// Location is a place where evidence is, or is to be: a folder, or a prefix of a bucket.
type Location struct {
	dir   string // absolute; empty for a bucket
	shown string // as people are told; without credentials

	uri     string // of a bucket, with what it takes to open it
	tempDir string
	env     func(string) (string, bool)
}

// Locate says where evidence is: out is a folder or s3://bucket/prefix, with the
// options and credentials of an s3 source. What is made for or read from a bucket
// passes through a private folder below tempDir, or the system's when that is
// empty. Nothing is looked at or connected to.
func Locate(out, tempDir string, env func(string) (string, bool)) (Location, error) {
	if !objects.IsURI(out) {
		dir, err := filepath.Abs(out)
		if err != nil {
			return Location{}, writeError("finding evidence", out, err)
		}
		return Location{dir: dir, shown: out}, nil
	}
	l := Location{uri: out, tempDir: tempDir, env: env}
	if l.tempDir == "" {
		l.tempDir = os.TempDir()
	}
	bucket, err := l.open()
	if err != nil {
		return Location{}, err
	}
	defer bucket.Close()
	l.shown = bucket.String()
	return l, nil
}

// String is the folder, or the URI without credentials and options.
func (l Location) String() string { return l.shown }

// GoString keeps credentials out of %#v.
func (l Location) GoString() string { return "evidence.Location{" + l.shown + "}" }

func (l Location) open() (*objects.Prefix, error) { return objects.Open(l.uri, l.env) }

// join is where a file is.
func (l Location) join(file string) string { return joinPath(l.shown, file) }

func joinPath(place, file string) string {
	if objects.IsURI(place) {
		return strings.TrimSuffix(place, "/") + "/" + file
	}
	return filepath.Join(place, file)
}

// Paths says where the evidence of a finished run is by what it holds: matched,
// unmatched_left, unmatched_right, breaks, candidates, summary and manifest. Each is
// a file; a table in parts is a folder of Parquet files. Every run writes all of
// them; without evidence there are none.
func Paths(s *kalla.Summary) map[string]string {
	out := map[string]string{}
	if s.Evidence == "" {
		return out
	}
	for _, file := range append(Tables(), SummaryFile, ManifestFile) {
		name, ending, _ := strings.Cut(file, ".")
		if s.Parts && ending == "parquet" {
			file = partsFolder(file)
		}
		out[name] = joinPath(s.Evidence, file)
	}
	return out
}

// names lists what is at the location, evidence or not.
func (l Location) names(ctx context.Context) ([]string, error) {
	if l.uri == "" {
		names, err := filesBelow(l.dir)
		if err != nil {
			return nil, writeError("reading evidence", l.shown, err)
		}
		return names, nil
	}
	bucket, err := l.open()
	if err != nil {
		return nil, err
	}
	defer bucket.Close()
	sizes, err := bucket.List(ctx)
	if err != nil {
		return nil, err
	}
	return sortedKeys(sizes), nil
}

// filesBelow lists a folder and the folders of parts in it.
func filesBelow(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() || !slices.Contains(Tables(), e.Name()+".parquet") {
			names = append(names, e.Name())
			continue
		}
		parts, err := os.ReadDir(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			names = append(names, e.Name()+"/"+p.Name())
		}
	}
	return names, nil
}

// fetch makes what the manifest names, as far as it is there, readable as files of
// a folder. For a bucket it is a copy, which release removes.
func (l Location) fetch(ctx context.Context, m *Manifest) (dir string, release func(), err error) {
	if l.uri == "" {
		return l.dir, func() {}, nil
	}
	bucket, err := l.open()
	if err != nil {
		return "", nil, err
	}
	defer bucket.Close()
	temp, err := l.scratch()
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			_ = temp.Remove()
		}
	}()
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(objects.FilesAtOnce)
	for _, name := range append(sortedKeys(m.Files), ManifestFile) {
		if !local(name) {
			continue
		}
		g.Go(func() error {
			file := filepath.Join(temp.Path(), filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
				return err
			}
			err := bucket.Download(groupCtx, name, file)
			if objects.IsNotExist(err) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return "", nil, writeError("reading evidence", l.shown, err)
	}
	return temp.Path(), func() { _ = temp.Remove() }, nil
}

// tempPrefix begins the names of private folders for what is in a bucket.
const tempPrefix = "kalla-evidence-"

// scratch makes a private folder for temporary files.
func (l Location) scratch() (*scratch.Dir, error) {
	scratch.Sweep(l.tempDir, tempPrefix)
	temp, err := scratch.Make(filepath.Join(l.tempDir, tempPrefix+rand.Text()+scratch.Suffix))
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeEvidence, Op: preparing, Where: l.tempDir,
			Why: "the folder for temporary files cannot be written", Hint: "name another with --temp-dir", Err: err}
	}
	return temp, nil
}
