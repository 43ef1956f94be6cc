// Package duckdb runs plans on DuckDB, embedded in the process. A session is
// an instance of its own, in memory, that spills to a private folder.
package duckdb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"

	driver "github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/machine"
	"kalla/internal/match"
	"kalla/internal/scratch"
)

var (
	_ engine.Session   = (*Session)(nil)
	_ engine.Inspector = (*Session)(nil)
)

// Session is a private DuckDB instance.
type Session struct {
	db      *sql.DB
	conn    *sql.Conn    // the one connection: what it creates and sets is seen by all statements
	temp    *scratch.Dir // for spilling, removed on Close
	version string

	extensions string // folder of extensions; empty for DuckDB's own

	threads    int        // as set
	threadsNow func() int // may be nil

	loaded   map[string]bool   // extensions
	defined  map[string]bool   // macros
	attached map[string]string // databases: snapshot key to catalogue name
	secrets  map[string]string // credentials of object storage: scope to quoted name

	progress struct {
		sync.Mutex
		conn mapping.Connection // nil pointer once closed
	}
	left      chan error // ends with what was left behind when its context ended; nil mostly
	closeOnce sync.Once
	closeErr  error
}

// tempPrefix begins the names of the folders that sessions spill into.
const tempPrefix = "kalla-duckdb-"

// engineShare is the part of the memory, in percent, that DuckDB is given for
// its buffers. What it allocates beside them came to as much as 0.5 GB at 10M
// against 10M records in 1 GB; with this share the process peaked at 1.41 GiB.
const engineShare = 85

// machineShare is the part of the machine's memory, in percent, that a session
// without a limit of its own takes: the rest is the system's and the page cache's.
const machineShare = 80

// Open starts an instance. Its temporary folder is below limits.TempDir, or the system's.
func Open(ctx context.Context, limits engine.Limits) (*Session, error) {
	parent := limits.TempDir
	if parent == "" {
		parent = os.TempDir()
	}
	scratch.Sweep(parent, tempPrefix)
	temp, err := scratch.Make(filepath.Join(parent, tempPrefix+rand.Text()+scratch.Suffix))
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeEngine, Op: "opening duckdb", Where: parent,
			Why: "the folder for temporary files cannot be written", Hint: "name another with --temp-dir", Err: err}
	}
	s := &Session{temp: temp, loaded: map[string]bool{}, defined: map[string]bool{}, attached: map[string]string{}, secrets: map[string]string{}}
	if err := s.open(ctx, limits); err != nil {
		_ = s.Close()
		return nil, &kalla.Error{Code: kalla.CodeEngine, Op: "opening duckdb", Err: err}
	}
	return s, nil
}

// open starts the instance in memory. Measured with 3 M rows under a quarter of
// the memory they need, a database file takes twice the processor time of
// memory that spills, and saves no memory; compressing in memory gains nothing either.
func (s *Session) open(ctx context.Context, limits engine.Limits) error {
	if s.threads = limits.Threads; s.threads <= 0 {
		s.threads = machine.CPUs()
	}
	s.threadsNow = limits.ThreadsNow
	memory := limits.Memory
	if memory <= 0 {
		memory = machine.Memory() / 100 * machineShare
	}
	// What the instance is opened with costs nothing; a SET costs as much as any other statement.
	config := url.Values{
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
		"temp_directory":               {s.temp.Path()},
		"threads":                      {strconv.Itoa(s.threads)},
		// Rows carry no order of their own: key order is made where it matters.
		// Without insertion order the reader needs no buffers to restore it.
		"preserve_insertion_order": {"false"},
	}
	if memory > 0 {
		config.Set("memory_limit", fmt.Sprintf("%dB", memory/100*engineShare))
	}
	if s.extensions = extensionFolder(limits.Extensions); s.extensions != "" {
		config.Set("extension_directory", s.extensions)
	}
	connector, err := driver.NewConnector(":memory:?"+config.Encode(), nil)
	if err != nil {
		return err
	}
	s.db = sql.OpenDB(connector)
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return err
	}
	s.version = mapping.LibraryVersion()
	if _, err := s.conn.ExecContext(ctx, "SET enable_progress_bar = true; SET enable_progress_bar_print = false; SET TimeZone = 'UTC'"); err != nil {
		return err
	}
	return s.conn.Raw(func(c any) error {
		// The driver does not expose its handle, which the progress call needs.
		handle := reflect.ValueOf(c).Elem().FieldByName("conn")
		if !handle.IsValid() {
			return errors.New("the driver's connection has no handle")
		}
		s.progress.conn = mapping.Connection{Ptr: handle.FieldByName("Ptr").UnsafePointer()}
		return nil
	})
}

// Info names the engine and its version.
func (s *Session) Info() kalla.EngineInfo {
	return kalla.EngineInfo{Name: dialect.Name(), Version: s.version}
}

// Dialect returns the dialect of DuckDB.
func (s *Session) Dialect() match.Dialect { return dialect }

// Seal ends access to files and network but for the given folders, and locks
// the configuration, but for the number of threads. Databases are detached and credentials forgotten: what
// they give access to has been staged.
func (s *Session) Seal(ctx context.Context, folders ...string) error {
	for _, name := range s.attached {
		if _, err := s.Exec(ctx, "DETACH "+ident(name)); err != nil {
			return err
		}
	}
	clear(s.attached)
	if err := s.dropSecrets(ctx); err != nil {
		return err
	}
	quoted := make([]string, 0, len(folders)+1)
	for _, f := range append([]string{s.temp.Path()}, folders...) {
		abs, err := filepath.Abs(f)
		if err != nil {
			return &kalla.Error{Code: kalla.CodeEngine, Op: "sealing duckdb", Where: f, Err: err}
		}
		quoted = append(quoted, text(abs+string(filepath.Separator)))
	}
	_, err := s.Exec(ctx, "SET allowed_directories = ["+strings.Join(quoted, ", ")+"]; "+
		"SET enable_external_access = false; SET allowed_configs = ['threads']; SET lock_configuration = true")
	return err
}

// prepare makes the session ready for a statement: its macros, and the threads
// that it may use by now.
func (s *Session) prepare(ctx context.Context, query string) error {
	if err := s.tune(ctx); err != nil {
		return err
	}
	return s.define(ctx, query)
}

// tune follows the number of threads that the session may use.
func (s *Session) tune(ctx context.Context) error {
	if s.threadsNow == nil {
		return nil
	}
	n := max(1, s.threadsNow())
	if n == s.threads {
		return nil
	}
	if _, err := s.conn.ExecContext(ctx, "SET threads = "+strconv.Itoa(n)); err != nil {
		return err
	}
	s.threads = n
	return nil
}

// Exec runs statements and returns the rows that the last one changed.
func (s *Session) Exec(ctx context.Context, query string) (int64, error) {
	if err := s.prepare(ctx, query); err != nil {
		return 0, engineError(ctx, err)
	}
	res, err := s.conn.ExecContext(ctx, query)
	if err != nil {
		return 0, engineError(ctx, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, engineError(ctx, err)
	}
	return n, nil
}

// Query runs one statement and returns its rows, which the caller closes.
func (s *Session) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := s.prepare(ctx, query); err != nil {
		return nil, engineError(ctx, err)
	}
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, engineError(ctx, err)
	}
	return rows, nil
}

// inOrder runs do while the engine keeps rows in the order of their source.
func (s *Session) inOrder(ctx context.Context, do func() error) error {
	if _, err := s.conn.ExecContext(ctx, "SET preserve_insertion_order = true"); err != nil {
		return err
	}
	err := do()
	_, resetErr := s.conn.ExecContext(context.WithoutCancel(ctx), "SET preserve_insertion_order = false")
	if err == nil {
		err = resetErr
	}
	return err
}

// Progress is the share of the running statement that is done, 0..1, or -1
// where DuckDB cannot say. It may be called from any goroutine.
func (s *Session) Progress() float64 {
	s.progress.Lock()
	defer s.progress.Unlock()
	if s.progress.conn.Ptr == nil {
		return -1
	}
	p := mapping.QueryProgress(s.progress.conn)
	percent, _, _ := mapping.QueryProgressTypeMembers(&p)
	if percent < 0 {
		return -1
	}
	return min(percent/100, 1)
}

// Close frees the instance and removes its temporary folder. Where a call was left
// behind that waits for a server, that happens when it ends.
func (s *Session) Close() error {
	if s.left != nil {
		go func() {
			<-s.left //nolint:errcheck // what the call ended with has no reader any more
			_ = s.close()
		}()
		return nil
	}
	return s.close()
}

func (s *Session) close() error {
	s.closeOnce.Do(func() {
		s.progress.Lock()
		s.progress.conn = mapping.Connection{}
		s.progress.Unlock()
		var errs []error
		if s.conn != nil {
			errs = append(errs, s.conn.Close())
		}
		if s.db != nil {
			errs = append(errs, s.db.Close())
		}
		errs = append(errs, s.temp.Remove())
		if err := errors.Join(errs...); err != nil {
			s.closeErr = &kalla.Error{Code: kalla.CodeEngine, Op: "closing duckdb", Err: err}
		}
	})
	return s.closeErr
}
