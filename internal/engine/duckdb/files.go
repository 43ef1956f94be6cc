package duckdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// mount makes a source ready to be read.
func (s *Session) mount(ctx context.Context, in engine.Input) (*mount, error) {
	if in.Source.Type.IsDatabase() {
		return s.mountDatabase(ctx, in)
	}
	if err := s.access(ctx, in.Source); err != nil {
		return nil, err
	}
	fingerprint, err := s.fingerprint(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	var m *mount
	switch in.Source.Format {
	case source.CSV:
		m, err = s.mountCSV(ctx, in)
	case source.Parquet:
		m, err = s.mountParquet(ctx, in)
	case source.JSON, source.NDJSON:
		m, err = s.mountJSON(ctx, in)
	case source.XLSX:
		m, err = s.mountXLSX(ctx, in)
	}
	if err != nil {
		return nil, err
	}
	m.Fingerprint = fingerprint
	return m, nil
}

// files returns the files that a source names, sorted, at least one.
func (s *Session) files(ctx context.Context, src source.Source) ([]string, error) {
	if src.Type != source.File {
		return s.remoteFiles(ctx, src)
	}
	info, err := os.Stat(src.Path)
	switch {
	case err == nil && info.IsDir():
		return nil, &kalla.Error{Code: kalla.CodeSource, Where: src.Path, Why: "this is a folder, not a file",
			Hint: "name a file, or several with a pattern such as " + filepath.Join(src.Path, "*.csv")}
	case err == nil && info.Size() == 0:
		return nil, &kalla.Error{Code: kalla.CodeSource, Where: src.Path, Why: "the file is empty"}
	case err == nil:
		return []string{src.Path}, nil
	case !src.IsGlob():
		e := fileError(src.Path, err)
		if near := neighbour(src.Path); near != "" {
			e.Hint = "did you mean " + near + "?"
		}
		return nil, e
	}
	paths, err := expandGlob(src.Path)
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeSource, Where: src.Path, Why: "the pattern is malformed", Err: err}
	}
	if len(paths) == 0 {
		return nil, &kalla.Error{Code: kalla.CodeSource, Where: src.Path, Why: "no file matches the pattern"}
	}
	return paths, nil
}

// expandGlob lists the regular files that match, sorted.
func expandGlob(pattern string) ([]string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, p := range found {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			paths = append(paths, p)
		}
	}
	sort.Strings(paths)
	return paths, nil
}

// neighbour returns the file of the same folder whose name is spelt most alike, or "".
func neighbour(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if near := closest(filepath.Base(path), names); near != "" {
		return filepath.Join(filepath.Dir(path), near)
	}
	return ""
}

const timeFormat = "2006-01-02T15:04:05.999999999Z"

// fingerprint identifies what is read: size and time of files. A hash of the
// content would read it a second time: two percent of a run.
func (s *Session) fingerprint(ctx context.Context, src source.Source) (string, error) {
	if src.Type != source.File {
		return s.remoteFingerprint(ctx, src)
	}
	paths, err := s.files(ctx, src)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return "", fileError(p, err)
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "size:%d,mtime:%s", info.Size(), info.ModTime().UTC().Format(timeFormat))
	}
	return b.String(), nil
}

// unchanged checks that a local file is still what it was before it was read, and
// an object where the recipe demands one point in time.
func (s *Session) unchanged(ctx context.Context, in engine.Input, before string) error {
	src := in.Source
	if src.Type.IsDatabase() || src.Type != source.File && !in.Snapshot {
		return nil
	}
	after, err := s.fingerprint(ctx, src)
	if err == nil && after != before {
		err = &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: "the file changed while it was read",
			Hint: "wait until it is written completely, then run again"}
	}
	return err
}

// promises checks that a source whose rows have to be of one point in time can
// be read so: in a snapshot, or with a time by which a change is noticed.
func (m *mount) promises(in engine.Input) error {
	if !in.Snapshot || m.Consistency == "snapshot" {
		return nil
	}
	// The engine gives the epoch for a server that is silent.
	if timed := strings.Count(m.Fingerprint, "mtime:") - strings.Count(m.Fingerprint, "mtime:1970-01-01T00:00:00Z"); !in.Source.Type.IsDatabase() && timed == len(strings.Fields(m.Fingerprint)) {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeSource, Where: in.Source.Location(),
		Why:  "the recipe demands records of one point in time, and the source does not say when it was changed",
		Hint: "read a copy of it, or leave consistency: snapshot out of the recipe"}
}
