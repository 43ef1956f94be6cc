// Package trino runs plans on a Trino cluster. The tables of a run are files on
// the cluster's object storage, in a schema of the run's own; nothing but
// results passes through Kalla.
package trino

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"math/bits"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	driver "github.com/trinodb/trino-go-client/trino"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/match"
)

var (
	_ engine.Session    = (*Session)(nil)
	_ engine.PartWriter = (*Session)(nil)
)

// Config says where a cluster is and what a run may use of it.
type Config struct {
	URL     string       // of the coordinator: http://host:port, without credentials
	Client  *http.Client // nil means a client of the session's own
	User    string       // as the cluster knows the run; "kalla" if empty
	Catalog string       // a hive catalog over the storage that Prefix is in; "kalla" if empty
	RunID   string       // unique in the catalog
	Prefix  string       // s3:// URI of the run's folder, without credentials and without a slash at the end
	Stager  engine.Stager

	// Limits: Memory bounds a statement in all workers together, Threads is the concurrency of a task.
	Limits     engine.Limits
	Partitions int // of joins and aggregations; 0 leaves it to the cluster
	// RetryPolicy is Trino's: NONE if empty, or TASK on a cluster with an exchange
	// manager. A statement that a lost worker ends is run again in either case.
	RetryPolicy string
}

// Session is one run's schema on a cluster.
type Session struct {
	config  Config
	db      *sql.DB
	client  *http.Client // to be closed, or nil
	schema  string       // as it stands in SQL
	version string

	staged       []engine.Staged
	tables       tables // of the one goroutine that uses the session
	running      sync.WaitGroup
	turns        chan struct{} // a place for each statement that the cluster may run at once
	open         context.Context
	close        context.CancelFunc
	firstFailure atomic.Pointer[error]
	progress     atomic.Uint64 // bits of the share of the running statement

	closeOnce sync.Once
	closeErr  error
}

// closeTimeout bounds what Close waits for the cluster.
const closeTimeout = 15 * time.Second

// Open makes the schema of the run. The caller ends with Close.
func Open(ctx context.Context, c Config) (*Session, error) {
	if c.User == "" {
		c.User = "kalla"
	}
	if c.Catalog == "" {
		c.Catalog = "kalla"
	}
	c.Prefix = strings.TrimRight(c.Prefix, "/")
	s := &Session{config: c, schema: strings.ToLower("run_" + encode(c.RunID)), turns: make(chan struct{}, concurrency)}
	s.open, s.close = context.WithCancel(context.WithoutCancel(ctx))
	if c.Client == nil {
		// No proxy: a cluster is on the network of its own.
		s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}}
		c.Client = s.client
	}
	connector, err := driver.NewConnector(&driver.Config{
		ServerURI: withUser(c.URL, c.User), Source: "kalla", Catalog: c.Catalog, Schema: s.schema,
		TimeZone: "UTC", SessionProperties: s.properties(), HTTPClient: c.Client, RequestRetryTimeout: new(requestTimeout),
	})
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeEngine, Op: "opening trino", Where: c.URL, Why: plain(err.Error()), Err: err}
	}
	s.db = sql.OpenDB(connector)
	err = s.attempt(ctx, func(int) error {
		return s.db.QueryRowContext(ctx, "SELECT node_version FROM system.runtime.nodes WHERE coordinator").Scan(&s.version)
	})
	if err == nil {
		err = s.attempt(ctx, func(int) error {
			_, err := s.db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+s.schema)
			return err
		})
	}
	if err != nil {
		s.release()
		var known *kalla.Error
		if errors.As(err, &known) {
			known.Op, known.Where = "opening trino", c.URL
		}
		return nil, err
	}
	return s, nil
}

// requestTimeout is how long the coordinator may be out of reach, in the middle
// of a statement too.
const requestTimeout = 30 * time.Second

func withUser(url, user string) string {
	scheme, host, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	return scheme + "://" + user + "@" + host
}

// properties are those of Trino's session.
func (s *Session) properties() map[string]string {
	c := s.config
	p := map[string]string{
		// Staged objects name their columns as people do, tables as hive does.
		c.Catalog + ".parquet_use_column_names": "false",
		c.Catalog + ".timestamp_precision":      "MICROSECONDS",
		// A run's tables are read a few times, and soon: the default, gzip, takes longer than it saves.
		c.Catalog + ".compression_codec": "SNAPPY",
		// Rows and bytes are counted in any case; sketches of each column cost as much as writing it.
		c.Catalog + ".collect_column_statistics_on_write": "false",
		// Whoever has a row writes it, instead of sending it to another worker first.
		"scale_writers":       "false",
		"redistribute_writes": "false",
	}
	p["retry_policy"] = cmp.Or(c.RetryPolicy, "NONE") // whatever that of the cluster is
	if c.Partitions > 0 {
		p["max_hash_partition_count"] = strconv.Itoa(c.Partitions)
	}
	if c.Limits.Memory > 0 {
		p["query_max_memory"] = strconv.FormatInt(c.Limits.Memory, 10) + "B"
	}
	if c.Limits.Threads > 0 { // a power of two
		p["task_concurrency"] = strconv.Itoa(1 << (bits.Len(uint(c.Limits.Threads)) - 1))
	}
	return p
}

// Schema is the name of the run's schema in the catalog.
func (s *Session) Schema() string { return s.schema }

// Info names the engine and its version.
func (s *Session) Info() kalla.EngineInfo {
	return kalla.EngineInfo{Name: Dialect{}.Name(), Version: s.version}
}

// Dialect returns the dialect of Trino.
func (s *Session) Dialect() match.Dialect { return Dialect{} }

// Stage has the sources written to the storage and makes tables of the objects.
func (s *Session) Stage(ctx context.Context, inputs []engine.Input, report func(kalla.Progress)) ([]engine.Table, error) {
	staged, err := s.config.Stager.Stage(ctx, inputs, s.config.Prefix+"/sources", report)
	if err != nil {
		return nil, err
	}
	out := make([]engine.Table, len(staged))
	for i, t := range staged {
		columns := []string{engine.RowColumn + " BIGINT"}
		for _, c := range t.Schema {
			columns = append(columns, Dialect{}.Ident(c.Name)+" "+Dialect{}.TypeName(c.Type))
		}
		err := s.attempt(ctx, func(int) error {
			_, err := s.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+Dialect{}.Ident(t.Name)+" ("+strings.Join(columns, ", ")+
				") WITH (format = 'PARQUET', external_location = "+Dialect{}.Text(t.Location)+")")
			return err
		})
		if err != nil {
			return nil, engine.StepError("reading "+t.Name+" on the cluster", err)
		}
		out[i] = t.Table
	}
	s.staged = staged
	return out, nil
}

// Seal does nothing: what a plan can reach is its own schema in the one catalog
// that is the run's storage. Sources and their credentials never get to the
// cluster, and recipes' SQL has passed the gate.
func (s *Session) Seal(context.Context, ...string) error { return nil }

// Exec takes one statement of a plan and returns before the cluster has run it:
// what is made of it waits for it, and what is not is run meanwhile. A statement
// that fails shows in what waits for it, and in the next call. The number of rows is always 0.
func (s *Session) Exec(ctx context.Context, query string) (int64, error) {
	if err := s.failed(); err != nil {
		return 0, err
	}
	st, err := parse(query)
	if err != nil {
		return 0, err
	}
	switch st.kind {
	case createView:
		s.tables.define(st.name, nil, &piece{query: st.query, rows: -1})
	case createEmpty:
		s.tables.define(st.name, st.columns, &piece{query: typed(st.columns)})
	case dropTable:
		s.tables.drop(st.name)
	case createTable:
		s.tables.define(st.name, nil, s.start(ctx, s.tables.fresh(st.name), nil, st.query))
	case insert:
		s.tables.extend(st.name, s.start(ctx, s.tables.fresh(st.name), s.tables.byName[st.name].names, st.query))
	}
	return 0, nil
}

// concurrency is how many statements of a run are on the cluster at once. Most
// are small, and what they take is the time from one node to the next.
const concurrency = 6

// start has a table made of a query, once what the query is over is there.
func (s *Session) start(ctx context.Context, name string, columns []column, query string) *piece {
	over := s.tables.needs(query)
	p := &piece{done: make(chan struct{})}
	ctx, cancel := s.whileOpen(ctx)
	s.running.Go(func() {
		defer cancel()
		defer close(p.done)
		if p.err = s.await(ctx, over); p.err != nil {
			return
		}
		var physical string
		physical, p.rows, p.err = s.create(ctx, name, columns, complete(query, over))
		p.query, p.folder = "SELECT * FROM "+s.config.Catalog+"."+s.schema+"."+physical, s.folder(physical)
		if p.err != nil {
			p.err = engine.StepError(engine.Step(ctx), p.err)
			s.firstFailure.CompareAndSwap(nil, &p.err)
		}
	})
	return p
}

// await waits for what a statement is over, then for its turn, which ends with the context.
func (s *Session) await(ctx context.Context, over []relation) error {
	for _, r := range over {
		for _, p := range r.pieces {
			if err := p.await(ctx); err != nil {
				return s.failure(ctx, err)
			}
		}
	}
	select {
	case s.turns <- struct{}{}:
		context.AfterFunc(ctx, func() { <-s.turns })
		return nil
	case <-ctx.Done():
		return s.failure(ctx, ctx.Err())
	}
}

// whileOpen is a context that ends with the session too.
func (s *Session) whileOpen(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.open, cancel)
	return ctx, func() { stop(); cancel() }
}

func (s *Session) failed() error {
	if err := s.firstFailure.Load(); err != nil {
		return *err
	}
	return nil
}

// create makes a table of a query, under another name in each attempt, so that
// what a lost worker or coordinator left of the last one is in nobody's way.
func (s *Session) create(ctx context.Context, name string, columns []column, query string) (physical string, rows int64, err error) {
	listed := ""
	if len(columns) > 0 {
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = c.name
		}
		listed = " (" + strings.Join(names, ", ") + ")"
	}
	err = s.attempt(ctx, func(n int) error {
		physical = name
		if n > 0 {
			physical += "_again" + strconv.Itoa(n)
		}
		res, err := s.db.ExecContext(ctx, "CREATE TABLE "+physical+listed+" WITH (format = 'PARQUET', external_location = "+
			Dialect{}.Text(s.folder(physical))+") AS "+query, s.watch()...)
		if err != nil {
			return err
		}
		rows, err = res.RowsAffected()
		return err
	})
	return physical, rows, err
}

// folder is where the objects of a table are.
func (s *Session) folder(physical string) string { return s.config.Prefix + "/tables/" + physical }

// Query runs one query and returns its rows, which the caller closes.
func (s *Session) Query(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	if err := s.failed(); err != nil {
		return nil, err
	}
	over := s.tables.needs(query)
	turn, done := s.whileOpen(ctx)
	defer done()
	if err := s.await(turn, over); err != nil {
		return nil, err
	}
	query = complete(query, over)
	err = s.attempt(ctx, func(int) error {
		rows, err = s.db.QueryContext(ctx, query, append(s.watch(), args...)...) //nolint:sqlclosecheck,rowserrcheck // the caller's
		return err
	})
	return rows, err
}

var counting = regexp.MustCompile(`^SELECT count\(\*\)(?: > 0)? FROM (\w+)$`)

// CountRows implements engine.RowCounter: the cluster said how many rows it wrote.
func (s *Session) CountRows(ctx context.Context, query string) (int64, bool, error) {
	m := counting.FindStringSubmatch(query)
	if m == nil {
		return 0, false, nil
	}
	r, ok := s.tables.byName[m[1]]
	if !ok {
		return 0, false, nil
	}
	n, known, err := r.rows(ctx)
	return n, known, s.failure(ctx, err)
}

// Columns describes the rows that a query would give. Instants are timestamps there, in UTC.
func (s *Session) Columns(ctx context.Context, query string) (kalla.Schema, error) {
	rows, err := s.Query(ctx, "SELECT * FROM ("+query+") LIMIT 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	var out kalla.Schema
	for _, t := range types {
		out = append(out, kalla.Column{Name: decode(t.Name()), Type: kallaType(t)})
	}
	return out, s.failure(ctx, rows.Err())
}

func kallaType(t *sql.ColumnType) kalla.Type {
	switch t.DatabaseTypeName() {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT":
		return kalla.Type{Kind: kalla.Integer}
	case "DECIMAL":
		precision, scale, _ := t.DecimalSize()
		return kalla.Type{Kind: kalla.DecimalKind, Precision: int(precision), Scale: int(scale)}
	case "REAL", "DOUBLE":
		return kalla.Type{Kind: kalla.Float}
	case "BOOLEAN":
		return kalla.Type{Kind: kalla.Boolean}
	case "DATE":
		return kalla.Type{Kind: kalla.Date}
	case "TIMESTAMP":
		return kalla.Type{Kind: kalla.Timestamp}
	case "VARCHAR", "CHAR":
		return kalla.Type{Kind: kalla.Text}
	}
	return kalla.Type{Kind: kalla.Other}
}

// WriteParquet is refused: the workers write parts, and rows do not pass through Kalla.
func (s *Session) WriteParquet(context.Context, string, string) (int64, error) {
	return 0, &kalla.Error{Code: kalla.CodeInternal, Op: "writing Parquet", Why: "a cluster writes parts to its storage, not files on this machine"}
}

// Progress is the share of the running statement that is done, 0..1, or -1
// before the cluster has said anything.
func (s *Session) Progress() float64 { return math.Float64frombits(s.progress.Load()) }

// watch are arguments that make the driver tell the progress of a statement.
func (s *Session) watch() []any {
	s.progress.Store(math.Float64bits(-1))
	return []any{sql.Named("X-Trino-Progress-Callback", progress{s}), sql.Named("X-Trino-Progress-Callback-Period", 250*time.Millisecond)}
}

type progress struct{ s *Session }

// Update takes what the coordinator says with each answer.
func (p progress) Update(info driver.QueryProgressInfo) {
	if total := info.QueryStats.TotalSplits; total > 0 {
		p.s.progress.Store(math.Float64bits(float64(info.QueryStats.CompletedSplits) / float64(total)))
	}
}

// Close drops the schema. The objects stay until the run's folder is removed.
func (s *Session) Close() error {
	s.closeOnce.Do(func() {
		s.close()
		s.running.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if _, err := s.db.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+s.schema+" CASCADE"); err != nil {
			s.closeErr = &kalla.Error{Code: kalla.CodeEngine, Op: "dropping the run's tables on the cluster", Where: s.schema, Why: plain(err.Error()), Err: err}
		}
		s.release()
	})
	return s.closeErr
}

func (s *Session) release() {
	_ = s.db.Close() // of a pool without sockets
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
}
