package duckdb

import (
	"context"
	"os"
	"path/filepath"
	"runtime"

	"kalla"
)

// extensionVersion is the version of DuckDB that the driver embeds; an
// extension is built for exactly one.
const extensionVersion = "v1.5.5"

func platform() string {
	name := runtime.GOOS
	if name == "darwin" {
		name = "osx"
	}
	return name + "_" + runtime.GOARCH
}

// extensionFolder is where DuckDB looks for extensions by itself and where it
// would install them: the given folder, else Kalla's cache, else "" for DuckDB's own folder.
func extensionFolder(given string) string {
	if given != "" {
		return given
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir := filepath.Join(cache, "kalla", "duckdb")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// extensionFile finds an extension on disk, or returns "".
func (s *Session) extensionFile(name string) string {
	file := name + ".duckdb_extension"
	var places []string
	if s.extensions != "" {
		places = append(places, filepath.Join(s.extensions, extensionVersion, platform(), file), filepath.Join(s.extensions, file))
	}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".duckdb", "extensions", extensionVersion, platform(), file))
	}
	for _, p := range places {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// load loads an extension from disk, else installs it from DuckDB's
// repository. Only signed extensions are accepted, which is DuckDB's default.
func (s *Session) load(ctx context.Context, name string) error {
	if s.loaded[name] {
		return nil
	}
	file := s.extensionFile(name)
	query := "LOAD " + text(file)
	if file == "" {
		query = "INSTALL " + name + "; LOAD " + name
	}
	if _, err := s.conn.ExecContext(ctx, query); err != nil {
		if c := canceled(ctx, err); c != nil {
			return c
		}
		e := &kalla.Error{Code: kalla.CodeEngine, Op: "loading the DuckDB extension " + name, Where: file, Err: err, Why: plainMessage(err)}
		if file == "" {
			e.Why = "it is not installed and cannot be downloaded"
			e.Hint = "run scripts/duckdb-extensions.sh, or set KALLA_DUCKDB_EXTENSIONS to a folder with " +
				filepath.Join(extensionVersion, platform(), name+".duckdb_extension")
		}
		return e
	}
	s.loaded[name] = true
	return nil
}
