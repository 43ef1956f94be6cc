package duckdb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// databaseKind is what differs between the databases that DuckDB attaches.
type databaseKind struct {
	extension string
	attach    func(source.Source) string // what is attached
	settings  []string
	mount     func(s *Session, ctx context.Context, in engine.Input, catalog string) (*mount, error)
}

var databaseKinds = map[source.Type]databaseKind{
	source.Postgres: {"postgres_scanner", postgresTarget, nil, (*Session).mountPostgres},
	source.MySQL:    {"mysql_scanner", mysqlTarget, mysqlSettings, (*Session).mountMySQL},
	source.SQLite:   {"sqlite_scanner", func(src source.Source) string { return src.Path }, []string{"SET sqlite_all_varchar = true"}, (*Session).mountSQLite},
}

// attachType is the name of the kind in ATTACH.
func attachType(t source.Type) string { return string(t) }

// attach connects to the database of a source, once per session, read-only, and returns its catalogue.
func (s *Session) attach(ctx context.Context, src source.Source) (string, error) {
	// Another password may not be right: it must not profit from a connection that is there.
	key := src.Snapshot() + "\x00" + src.Get("password")
	if catalog, ok := s.attached[key]; ok {
		return catalog, nil
	}
	if src.Type == source.SQLite {
		if _, err := s.files(ctx, withPath(src)); err != nil {
			return "", err
		}
	}
	catalog := fmt.Sprintf("__kalla_db%d", len(s.attached))
	if err := s.attachAs(ctx, src, catalog); err != nil {
		return "", err
	}
	s.attached[key] = catalog
	return catalog, nil
}

// attachAs connects to the database of a source under a name.
func (s *Session) attachAs(ctx context.Context, src source.Source, catalog string) error {
	kind := databaseKinds[src.Type]
	if err := s.load(ctx, kind.extension); err != nil {
		return err
	}
	query := strings.Join(append(kind.settings, fmt.Sprintf("ATTACH %s AS %s (TYPE %s, READ_ONLY)", text(kind.attach(src)), ident(catalog), attachType(src.Type))), "; ")
	if _, err := s.conn.ExecContext(ctx, query); err != nil {
		return connectError(ctx, src, err)
	}
	return nil
}

// withPath is the database file of a SQLite source, as a file.
func withPath(src source.Source) source.Source {
	return source.Source{Type: source.File, Path: src.Path}
}

// mountDatabase attaches the database and finds the exact types of a table or query.
func (s *Session) mountDatabase(ctx context.Context, in engine.Input) (*mount, error) {
	catalog, err := s.attach(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	m, err := databaseKinds[in.Source.Type].mount(s, ctx, in, catalog)
	if err != nil {
		return nil, queryError(ctx, in.Source, err)
	}
	return m, nil
}

// inSnapshot runs do, which reads inputs that are in databases, in one
// transaction, which gives each database one snapshot for all its tables. The
// databases are attached first: a transaction sees those that were there when it began.
func (s *Session) inSnapshot(ctx context.Context, inputs []engine.Input, do func() error) (err error) {
	for _, in := range inputs {
		if !in.Source.Type.IsDatabase() {
			continue
		}
		if _, err := s.attach(ctx, in.Source); err != nil {
			return stageError(ctx, in, err)
		}
	}
	if _, err := s.conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
		return engineError(ctx, err)
	}
	defer func() {
		end := "COMMIT"
		if err != nil {
			end = "ROLLBACK"
		}
		if _, endErr := s.conn.ExecContext(context.WithoutCancel(ctx), end); endErr != nil && err == nil {
			err = engineError(ctx, endErr)
		}
	}()
	return do()
}

// remote runs a query on the database itself and returns its rows as text.
func (s *Session) remote(ctx context.Context, t source.Type, catalog, query string, width int) ([][]*string, error) {
	return s.textRows(ctx, "FROM "+remoteQuery(t, catalog, query), width)
}

// remoteQuery is a table function that runs a query on the database itself.
func remoteQuery(t source.Type, catalog, query string) string {
	return fmt.Sprintf("%s_query(%s, %s)", attachType(t), text(catalog), text(query))
}

// tableFault says that a table is not there, and names the one that is spelt most alike.
func tableFault(src source.Source, tables []string) error {
	e := &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: fmt.Sprintf("there is no table %q that may be read", src.Table)}
	switch near := closest(src.Table, tables); {
	case near != "":
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	case len(tables) > 0:
		e.Hint = "the tables are " + shortenList(tables)
	}
	return e
}

func firstColumn(rows [][]*string) []string {
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		if r[0] != nil {
			out = append(out, *r[0])
		}
	}
	return out
}

// libpq quotes a value of a connection string.
func libpq(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

// connectError says why a database cannot be reached, never with what.
func connectError(ctx context.Context, src source.Source, err error) error {
	if c := canceled(ctx, err); c != nil {
		return c
	}
	e := &kalla.Error{Code: kalla.CodeSource, Where: src.Location()}
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(err.Error(), p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("password authentication failed", "Access denied for user", "no password supplied"):
		e.Why, e.Hint = fmt.Sprintf("the server does not accept the password of user %q", src.User), "check user and password, or the environment variable that holds it"
	case has("no pg_hba.conf entry"):
		e.Why, e.Hint = fmt.Sprintf("the server does not let user %q in from this machine", src.User), "ask for an entry in pg_hba.conf, or try sslmode=require"
	case has("Connection refused", "Can't connect", "(111)"):
		e.Why, e.Hint = fmt.Sprintf("nothing answers at %s port %s", src.Host, src.Port), "check host and port, and that the server runs"
	case has("could not translate host name", "Unknown MySQL server host", "Unknown server host"):
		e.Why, e.Hint = fmt.Sprintf("there is no host %q", src.Host), "check its spelling"
	case has("timeout expired", "timed out"):
		e.Why, e.Hint = fmt.Sprintf("%s did not answer in time", src.Host), "check the network between this machine and the server"
	case has("does not exist", "Unknown database"):
		e.Why = fmt.Sprintf("there is no database %q", src.Database)
		if has("role") {
			e.Why = fmt.Sprintf("there is no user %q", src.User)
		}
	case has("file is not a database"):
		e.Why = "this is not a SQLite database"
	default:
		// The connection string stands between the first pair of double quotes.
		_, rest, _ := strings.Cut(plainMessage(err), `": `)
		if rest == "" {
			rest = plainMessage(err)
		}
		e.Why = src.Redact(rest)
	}
	return e
}

// queryError classifies what a database says about a table or query.
func queryError(ctx context.Context, src source.Source, err error) error {
	var known *kalla.Error
	if errors.As(err, &known) {
		return err
	}
	if c := canceled(ctx, err); c != nil {
		return c
	}
	message := err.Error()
	e := &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: src.Redact(plainMessage(err))}
	switch {
	case strings.Contains(message, "permission denied") || strings.Contains(message, "command denied"):
		e.Why, e.Hint = fmt.Sprintf("user %q may not read it", src.User), "grant SELECT on it"
	case strings.Contains(message, "file is not a database"):
		e.Why = "this is not a SQLite database"
	case containsAny(message, "server closed the connection", "terminating connection", "Lost connection", "server has gone away"):
		e.Why, e.Hint = "the connection broke off", "check the server's log, then run again"
	}
	return e
}
