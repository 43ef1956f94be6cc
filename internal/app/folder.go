package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/machine"
	"kalla/internal/scratch"
	"kalla/internal/source"
)

// FolderConfig says what an assistant may work on without an app.
type FolderConfig struct {
	Dir    string        // absolute; whatever is read and written is below it
	Limits engine.Limits // of all jobs together
	Log    *slog.Logger
}

// Folder is a folder of files as agent.Services: its files are the sources, the
// recipes are YAML files in it, and evidence goes to kalla-data/runs, as with
// kalla run. The work is done by a scheduler in this process that may touch
// nothing else, neither other files nor the network.
type Folder struct {
	dir       string
	scratch   *scratch.Dir
	scheduler *Scheduler
	client    *job.Client
	reader    *duckdb.Reader
	records   *records.Store

	mu      sync.Mutex
	columns map[string]seen // by path
	saving  sync.Mutex
}

var _ agent.Services = (*Folder)(nil)

// seen is what a file held when it was looked at.
type seen struct {
	size     int64
	modified time.Time
	columns  []job.Column
	failed   string
}

const folderPrefix = "kalla-folder-"

// OpenFolder starts what works on a folder, until Close. Errors are *kalla.Error.
func OpenFolder(ctx context.Context, cfg FolderConfig) (_ *Folder, err error) {
	const op = "opening folder"
	dir, err := filepath.EvalSymlinks(cfg.Dir)
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: cfg.Dir, Why: "there is no such folder", Hint: "name the folder of the files with --dir", Err: err}
	}
	f := &Folder{dir: dir, columns: map[string]seen{}}
	defer func() {
		if err != nil {
			_ = f.Close(ctx) // the first error says more
		}
	}()
	temp := cmp.Or(cfg.Limits.TempDir, os.TempDir())
	scratch.Sweep(temp, folderPrefix)
	if f.scratch, err = scratch.Make(filepath.Join(temp, folderPrefix+rand.Text()+scratch.Suffix)); err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: temp, Err: err, Hint: "name a folder with --temp-dir that this user may write to"}
	}
	token := rand.Text() + rand.Text()
	f.scheduler, err = StartScheduler(ctx, SchedulerConfig{
		Host: "127.0.0.1", Loopback: true, FileDirs: []string{dir}, DataDir: filepath.Join(f.scratch.Path(), "scheduler"),
		TempDir: filepath.Join(f.scratch.Path(), "temp"), Extensions: cfg.Limits.Extensions,
		MaxJobs: DefaultJobs(), Memory: cmp.Or(cfg.Limits.Memory, DefaultMemory()), Threads: cmp.Or(cfg.Limits.Threads, machine.CPUs()),
		Token: token, LookupEnv: noEnv, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	if f.client, err = job.NewClient(f.scheduler.URL(), token); err != nil {
		return nil, err
	}
	reader := cfg.Limits
	reader.Memory, reader.TempDir = ReaderMemory(), f.scratch.Path()
	if f.reader, err = duckdb.OpenReader(ctx, reader); err != nil {
		return nil, err
	}
	f.records = records.Open(f.reader, func(ctx context.Context, location string) (*evidence.Manifest, string, error) {
		l, err := evidence.Locate(location, f.scratch.Path(), noEnv)
		if err != nil {
			return nil, "", err
		}
		m, err := evidence.Load(ctx, l)
		return m, l.String(), err
	}, records.Options{})
	return f, nil
}

func noEnv(string) (string, bool) { return "", false }

// Close stops what runs, within a few seconds.
func (f *Folder) Close(ctx context.Context) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var errs []error
	if f.records != nil {
		f.records.Close()
	}
	if f.reader != nil {
		errs = append(errs, f.reader.Close())
	}
	if f.client != nil {
		f.client.Close()
	}
	if f.scheduler != nil {
		errs = append(errs, f.scheduler.Stop(last))
	}
	if f.scratch != nil {
		errs = append(errs, f.scratch.Remove())
	}
	return errors.Join(errs...)
}

const (
	mostFiles = 200
	deepest   = 4 // folders below the folder
)

// file is a source of a folder.
type file struct {
	alias string
	path  string // absolute
	info  fs.FileInfo
}

// files are the files that can be read, the newest first.
func (f *Folder) files(ctx context.Context) ([]file, error) {
	var out []file
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == f.dir:
			return err
		case err != nil: // a folder that may not be entered holds nothing for this user
			return nil
		case path == f.dir:
			return nil
		case d.IsDir():
			rel, _ := filepath.Rel(f.dir, path)
			if strings.HasPrefix(d.Name(), ".") || d.Name() == dataDir || strings.Count(rel, string(filepath.Separator)) >= deepest {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") || strings.ContainsAny(path, "*?[]{}"):
			return nil
		}
		if src, err := source.Parse(path, nil, "", noEnv); err != nil || src.Type != source.File && src.Type != source.SQLite {
			return nil
		}
		info, err := d.Info()
		if err == nil { // else it has just been removed
			out = append(out, file{path: path, info: info})
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, &kalla.Error{Code: kalla.CodeCanceled, Op: "listing files", Where: f.dir, Why: "cancelled", Err: ctx.Err()}
	}
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeSource, Op: "listing files", Where: f.dir, Err: err}
	}
	taken := map[string]bool{"l": true, "r": true, "left_src": true, "right_src": true}
	for i := range out { // in the order of paths, so that aliases stay the same
		out[i].alias = aliasOf(out[i].path, taken)
		taken[out[i].alias] = true
	}
	slices.SortStableFunc(out, func(a, b file) int { return b.info.ModTime().Compare(a.info.ModTime()) })
	return out[:min(len(out), mostFiles)], nil
}

// dataDir is where kalla run and kalla up keep what they make.
const dataDir = "kalla-data"

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

// aliasOf makes the name of a file one for recipes: letters, digits and underscores.
func aliasOf(path string, taken map[string]bool) string {
	word := func(text string) string {
		return strings.Trim(notWord.ReplaceAllString(strings.ToLower(text), "_"), "_")
	}
	name, ext, _ := strings.Cut(filepath.Base(path), ".")
	alias := cmp.Or(word(name), "file")
	if alias[0] >= '0' && alias[0] <= '9' {
		alias = "t_" + alias
	}
	alias = strings.TrimRight(alias[:min(len(alias), 50)], "_")
	for _, next := range []string{alias, alias + "_" + word(ext), alias + "_" + word(filepath.Base(filepath.Dir(path)))} {
		if next = next[:min(len(next), 60)]; !taken[next] {
			return next
		}
	}
	for i := '2'; ; i++ {
		if next := alias + "_" + string(i); !taken[next] {
			return next
		}
	}
}

// Sources lists the files.
func (f *Folder) Sources(ctx context.Context) ([]agent.Source, error) {
	files, err := f.files(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]agent.Source, len(files))
	var look errgroup.Group
	look.SetLimit(DefaultJobs())
	for i, x := range files {
		out[i] = agent.Source{Alias: x.alias, Type: string(source.File)}
		look.Go(func() error {
			found := f.look(ctx, x)
			out[i].Columns, out[i].Failed = found.columns, found.failed
			return nil
		})
	}
	_ = look.Wait() // what cannot be read is said of the file
	if ctx.Err() != nil {
		return nil, &kalla.Error{Code: kalla.CodeCanceled, Op: "listing files", Where: f.dir, Why: "cancelled", Err: ctx.Err()}
	}
	return out, nil
}

// look finds the columns of a file, unless they are known.
func (f *Folder) look(ctx context.Context, x file) seen {
	f.mu.Lock()
	known, ok := f.columns[x.path]
	f.mu.Unlock()
	if ok && known.size == x.info.Size() && known.modified.Equal(x.info.ModTime()) {
		return known
	}
	no := false
	found := seen{size: x.info.Size(), modified: x.info.ModTime()}
	p, err := f.client.Preview(ctx, job.PreviewRequest{URI: x.path, Limit: 1, Count: &no})
	if err != nil {
		found.failed = err.Error()
	}
	found.columns = p.Columns
	if ctx.Err() == nil {
		f.mu.Lock()
		f.columns[x.path] = found
		f.mu.Unlock()
	}
	return found
}

// find returns the file with an alias.
func (f *Folder) find(ctx context.Context, alias string) (file, error) {
	files, err := f.files(ctx)
	if err != nil {
		return file{}, err
	}
	if i := slices.IndexFunc(files, func(x file) bool { return strings.EqualFold(x.alias, alias) }); i >= 0 {
		return files[i], nil
	}
	return file{}, &kalla.Error{Code: kalla.CodeUsage, Op: "finding source", Where: alias, Why: "no file of " + f.dir + " is called so", Hint: "call list_sources for the aliases"}
}
