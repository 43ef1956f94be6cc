package duckdb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// deal divides an input and hands it out. It reports whether there was anything to hand out.
func (d *staging) deal(ctx context.Context, i int, m *mount) (bool, error) {
	in := d.inputs[i]
	if err := m.promises(in); err != nil {
		return false, err
	}
	parts, err := m.Pieces(ctx, d.dealer.Parts())
	if err != nil || len(parts) == 0 {
		return false, err
	}
	piece := engine.Piece{Source: in.Source, Storage: d.storage}
	if in.Source.Type.IsDatabase() {
		if piece.Catalog, piece.Snapshot, err = d.snapshot(ctx, in); err != nil {
			return false, err
		}
	}
	for _, l := range d.lookups {
		if joins(in, l.Table) {
			piece.Lookups = append(piece.Lookups, l)
		}
	}
	var schema kalla.Schema
	pieces := make([]engine.Piece, len(parts))
	for n, from := range parts {
		part := *m
		part.From = from
		query, err := part.query(in)
		if err != nil {
			return false, err
		}
		if n == 0 {
			if schema, err = d.s.describeQuery(ctx, query); err != nil {
				return false, err
			}
		}
		pieces[n] = piece
		pieces[n].Query, pieces[n].FirstRow = numbered(query, schema), int64(n)<<engine.PieceBits
	}
	d.dealt[i] = dealt{m, schema}
	folder := d.folder(i)
	go func() {
		o := outcome{input: i}
		o.location, o.rows, o.err = d.dealer.Deal(ctx, pieces, folder, func(share float64, rows int64) { d.progress(i, share, rows) })
		d.settled <- o
	}()
	return true, nil
}

func sum(rows []int64) (n int64) {
	for _, r := range rows {
		n += r
	}
	return n
}

// await waits until none of the inputs that are wanted is in others' hands.
func (d *staging) await(ctx context.Context, wanted func(input int) bool) error {
	waiting := func() bool {
		for i := range d.dealt {
			if wanted(i) {
				return true
			}
		}
		return false
	}
	for waiting() {
		if err := d.settle(ctx, <-d.settled); err != nil {
			return err
		}
	}
	return nil
}

// settle records an input that others have read. Where a value did not fit the
// type that was guessed, the input is dealt again.
func (d *staging) settle(ctx context.Context, o outcome) error {
	in, was := d.inputs[o.input], d.dealt[o.input]
	delete(d.dealt, o.input)
	if o.err == nil {
		o.err = d.s.unchanged(ctx, in, was.mount.Fingerprint)
	}
	if o.err == nil {
		rows := sum(o.rows)
		d.staged[o.input] = engine.Staged{Location: o.location, Pieces: len(o.rows), Table: engine.Table{
			Name: in.Table, Schema: was.schema, Rows: rows, Fingerprint: was.mount.Fingerprint, Consistency: was.mount.Consistency,
		}}
		d.progress(o.input, 1, rows)
		return nil
	}
	m, err := was.mount.retype(ctx, o.err)
	switch {
	case err != nil:
	case d.attempts[o.input] > 1:
		err = errors.New("the data changed while it was read")
	default:
		_, err = d.deal(ctx, o.input, m)
	}
	if err != nil {
		return stageError(ctx, in, err)
	}
	return nil
}

// snapshot exports the snapshot of the open transaction on a PostgreSQL
// database, once, and returns the name that the session has for the database too.
func (d *staging) snapshot(ctx context.Context, in engine.Input) (catalog, id string, err error) {
	if catalog, err = d.s.attach(ctx, in.Source); err != nil {
		return "", "", err
	}
	if id, ok := d.snapshots[catalog]; ok {
		return catalog, id, nil
	}
	// While others read, this transaction idles.
	if err := d.s.postgresExecute(ctx, catalog, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return "", "", queryError(ctx, in.Source, err)
	}
	rows, err := d.s.remote(ctx, in.Source.Type, catalog, "SELECT pg_export_snapshot()::text AS snapshot", 1)
	if err != nil {
		return "", "", queryError(ctx, in.Source, err)
	}
	d.snapshots[catalog] = *rows[0][0]
	return catalog, *rows[0][0], nil
}

// postgresExecute runs a statement without a result in the open transaction of a PostgreSQL database.
func (s *Session) postgresExecute(ctx context.Context, catalog, statement string) error {
	_, err := s.conn.ExecContext(ctx, "CALL postgres_execute("+text(catalog)+", "+text(statement)+")")
	return err
}

// lookup keeps a staged table for those who read pieces that join it.
func (d *staging) lookup(ctx context.Context, in engine.Input) error {
	if d.dealer == nil {
		return nil
	}
	native, err := d.s.nativeColumns(ctx, "FROM "+ident(in.Table))
	if err != nil {
		return err
	}
	l := engine.Lookup{Table: in.Table, Object: d.storage.Path + "/lookups/" + in.Table + ".parquet"}
	for _, c := range native {
		l.Columns = append(l.Columns, fmt.Sprintf("CAST(%[1]s AS %[2]s) AS %[1]s", ident(c.Name), c.Type))
	}
	d.lookups = append(d.lookups, l)
	_, err = d.s.copyObjects(ctx, "FROM "+ident(in.Table), l.Object, stagedFormat)
	return err
}

// WritePiece reads a piece, writes its object and returns how many rows that has. The
// session can be used again afterwards only if there was no error. The error is
// *kalla.Error if that says why, else in the engine's own words, for whoever knows the source.
func (s *Session) WritePiece(ctx context.Context, p engine.Piece) (rows int64, err error) {
	err = s.abandoning(ctx, func() (err error) {
		rows, err = s.writePiece(ctx, p)
		if err == nil {
			err = s.forget(ctx, p)
		}
		return err
	})
	var known *kalla.Error
	if errors.As(engineError(ctx, err), &known) && (known.Code == kalla.CodeLimit || known.Code == kalla.CodeCanceled) {
		err = known
	}
	return rows, err
}

func (s *Session) writePiece(ctx context.Context, p engine.Piece) (rows int64, err error) {
	if err := s.writeBelow(ctx, p.Storage, p.FirstRow); err != nil {
		return 0, err
	}
	if err := s.prepare(ctx, p.Query); err != nil {
		return 0, err
	}
	for _, l := range p.Lookups {
		q := fmt.Sprintf("CREATE OR REPLACE TABLE %s AS SELECT %s FROM read_parquet(%s)", ident(l.Table), strings.Join(l.Columns, ", "), text(l.Object))
		if _, err := s.conn.ExecContext(ctx, q); err != nil {
			return 0, err
		}
	}
	if p.Catalog == "" {
		if err := s.access(ctx, p.Source); err != nil {
			return 0, err
		}
		for _, v := range p.Views {
			if _, err := s.Exec(ctx, "CREATE VIEW "+ident(v.Name)+" AS "+v.Query); err != nil {
				return 0, err
			}
		}
		if _, err := engine.Execute(ctx, s, p.Script, func(kalla.Progress) {}); err != nil {
			return 0, err
		}
		format := stagedFormat
		if p.Result {
			format = evidenceFormat
		}
		return s.copyObjects(ctx, p.Query, p.Object, format)
	}
	if err := s.attachAs(ctx, p.Source, p.Catalog); err != nil {
		return 0, err
	}
	s.attached[p.Catalog] = p.Catalog
	if _, err := s.conn.ExecContext(ctx, "BEGIN TRANSACTION"); err != nil {
		return 0, err
	}
	defer func() {
		end := "COMMIT"
		if err != nil {
			end = "ROLLBACK"
		}
		if _, endErr := s.conn.ExecContext(context.WithoutCancel(ctx), end); endErr != nil && err == nil {
			err = endErr
		}
	}()
	if p.Snapshot != "" {
		if err := s.postgresExecute(ctx, p.Catalog, "SET TRANSACTION SNAPSHOT "+text(p.Snapshot)); err != nil {
			if strings.Contains(err.Error(), "snapshot") {
				return 0, &kalla.Error{Code: kalla.CodeSource, Where: p.Source.Location(), Why: "the snapshot that it is read in has ended",
					Hint: "the connection that held it broke off: check the server's log, then run again"}
			}
			return 0, err
		}
		pid, err := s.remote(ctx, p.Source.Type, p.Catalog, "SELECT pg_backend_pid()::text AS pid", 1)
		if err != nil {
			return 0, err
		}
		defer context.AfterFunc(ctx, func() { s.cancelBackend(p.Source, *pid[0][0]) })()
	}
	return s.copyObjects(ctx, p.Query, p.Object, stagedFormat)
}

// cancelTime is what a server has to answer that it ends a query.
const cancelTime = 5 * time.Second

// cancelBackend ends what a PostgreSQL server does for a connection, of which the
// engine would otherwise read the whole result before it stops. It uses another session, as
// this one is busy. If it fails, the connection ends with the result.
func (s *Session) cancelBackend(src source.Source, pid string) {
	ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
	defer cancel()
	other, err := Open(ctx, engine.Limits{Memory: 64 << 20, Threads: 1, TempDir: filepath.Dir(s.temp.Path()), Extensions: s.extensions})
	if err != nil {
		return
	}
	defer other.Close()
	catalog, err := other.attach(ctx, src)
	if err == nil {
		_, _ = other.remote(ctx, src.Type, catalog, "SELECT pg_cancel_backend("+pid+")::text AS done", 1)
	}
}

// forget removes what a piece brought along.
func (s *Session) forget(ctx context.Context, p engine.Piece) error {
	for key, name := range s.attached {
		if _, err := s.Exec(ctx, "DETACH "+ident(name)); err != nil {
			return err
		}
		delete(s.attached, key)
	}
	if len(p.Lookups)+len(p.Views)+len(p.Script) > 0 {
		if err := s.dropAll(ctx); err != nil {
			return err
		}
	}
	return s.dropSecrets(ctx)
}

// dropAll drops all tables and views.
func (s *Session) dropAll(ctx context.Context) error {
	made, err := s.textRows(ctx, "SELECT 'VIEW', view_name FROM duckdb_views() WHERE NOT internal AND database_name = current_database() UNION ALL SELECT 'TABLE', table_name FROM duckdb_tables() WHERE database_name = current_database() ORDER BY 1 DESC", 2)
	if err != nil {
		return err
	}
	for _, m := range made {
		if _, err := s.Exec(ctx, "DROP "+*m[0]+" "+ident(*m[1])); err != nil {
			return err
		}
	}
	return nil
}

// divideFiles deals files out to up to n groups and gives the table expression of each.
func divideFiles(files []string, from func(files []string) string) func(context.Context, int) ([]string, error) {
	return func(_ context.Context, n int) ([]string, error) {
		groups := make([][]string, min(max(n, 1), len(files)))
		for i, f := range files {
			groups[i%len(groups)] = append(groups[i%len(groups)], f)
		}
		out := make([]string, len(groups))
		for i, g := range groups {
			out[i] = from(g)
		}
		return out, nil
	}
}

// leastPages is the size of a range of a PostgreSQL table that is worth a piece: 4 MB as pages mostly are.
const leastPages = 512

// dividePostgres divides a table by where its rows lie; whatever was added since
// lies in the last range. What has no place of its own, and servers that would read
// the whole table for each range, make one piece. A server in recovery exports no snapshot.
func (s *Session) dividePostgres(src source.Source, catalog, from, relation, list string, native []nativeColumn, filters []string) func(context.Context, int) ([]string, error) {
	return func(ctx context.Context, n int) ([]string, error) {
		size := "NULL"
		if list != "" {
			size = "(SELECT pg_relation_size(c.oid) / current_setting('block_size')::int FROM pg_class c WHERE c.oid = " + pgText(relation) + "::regclass AND relkind IN ('r', 'm'))"
		}
		rows, err := s.remote(ctx, src.Type, catalog, "SELECT pg_is_in_recovery()::text AS r, (current_setting('server_version_num')::int >= 140000)::text AS v, "+size+"::text AS n", 3)
		if err != nil {
			return nil, err
		}
		switch {
		case *rows[0][0] == "true":
			return nil, nil
		case *rows[0][1] != "true" || rows[0][2] == nil:
			return []string{from}, nil
		}
		pages, err := strconv.Atoi(*rows[0][2])
		if err != nil {
			return nil, err
		}
		n = max(1, min(n, pages/leastPages))
		out := make([]string, n)
		for i := range out {
			bounds := slices.Clone(filters)
			if i > 0 {
				bounds = append(bounds, fmt.Sprintf("ctid >= '(%d,0)'::tid", pages*i/n))
			}
			if i < n-1 {
				bounds = append(bounds, fmt.Sprintf("ctid < '(%d,0)'::tid", pages*(i+1)/n))
			}
			query := "SELECT " + list + " FROM " + relation
			if len(bounds) > 0 {
				query += " WHERE " + strings.Join(bounds, " AND ")
			}
			out[i] = remoteQuery(src.Type, catalog, query)
		}
		// The engine may see other types in a query than in a table: composite ones, for example.
		same, err := s.nativeColumns(ctx, "FROM "+out[0])
		if err != nil {
			return nil, err
		}
		for i, c := range same {
			if c.Type != native[i].Type && (kallaType(c.Type).Kind != kalla.Text || kallaType(native[i].Type).Kind != kalla.Text) {
				return []string{from}, nil
			}
		}
		return out, nil
	}
}

// serverFilters writes the filters that a PostgreSQL server decides as the engine
// does, so that it need not send what they drop: those on numbers and dates. The
// engine applies them all again. Where values are checked, those of rows that a filter drops
// are too, so that none is left out.
func (m *mount) serverFilters(in engine.Input) []string {
	if slices.ContainsFunc(m.Columns, func(c column) bool { return c.Fits != "" }) {
		return nil
	}
	var out []string
	for _, f := range in.Filters {
		i := slices.IndexFunc(m.Columns, func(c column) bool { return c.Name == f.Column })
		if i < 0 {
			continue
		}
		var valid *regexp.Regexp
		var as string
		switch m.Columns[i].Type.Kind {
		case kalla.Integer, kalla.DecimalKind:
			valid, as = numberText, "::numeric"
		case kalla.Date:
			valid, as = dateText, "::date"
		default:
			continue
		}
		if slices.ContainsFunc(f.Values, func(v string) bool { return !valid.MatchString(v) }) {
			continue // whether it is wrong is said elsewhere
		}
		literals := make([]string, len(f.Values))
		for n, v := range f.Values {
			literals[n] = "'" + v + "'" + as
		}
		name, sign := quotePG(f.Column), filterSigns[f.Op]
		switch {
		case sign != "" && len(literals) == 1:
			out = append(out, name+" "+sign+" "+literals[0])
		case f.Op == kalla.FilterBetween && len(literals) == 2:
			out = append(out, name+" BETWEEN "+literals[0]+" AND "+literals[1])
		case f.Op == kalla.FilterIn && len(literals) > 0:
			out = append(out, name+" IN ("+strings.Join(literals, ", ")+")")
		case f.Op == kalla.FilterIsNull:
			out = append(out, name+" IS NULL")
		case f.Op == kalla.FilterIsNotNull:
			out = append(out, name+" IS NOT NULL")
		}
	}
	return out
}

// pgText quotes a text literal for PostgreSQL, whatever the server takes a backslash for.
func pgText(v string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(v) + "'"
}
