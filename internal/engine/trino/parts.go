package trino

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/match"
)

// WriteParts writes the rows of a result as Parquet objects below the run's folder.
// Names of the types that objects have are the same in both engines.
func (s *Session) WriteParts(ctx context.Context, r engine.Result) ([]engine.Part, error) {
	if r.Embedded != "" {
		list, names := make([]string, len(r.Schema)), make([]string, len(r.Schema))
		for i, c := range r.Schema {
			names[i] = fmt.Sprintf("c%d", i)
			list[i] = fmt.Sprintf("CAST(c%d AS %s) AS %s", i, Dialect{}.TypeName(c.Type), quoted(c.Name))
		}
		query := "SELECT " + strings.Join(list, ", ") + " FROM (" + r.Embedded + ") r(" + strings.Join(names, ", ") + ")"
		written, err := s.deal(ctx, engine.Piece{Query: query, Result: true}, r.Per, r.Embedded, s.config.Prefix+"/results/"+s.tables.fresh(strings.ToLower(encode(r.Name))))
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		if written != nil {
			return written.objects, nil
		}
	}
	return s.writeTable(ctx, r)
}

// Divide implements engine.Divider.
func (s *Session) Divide(ctx context.Context, n match.Each) (bool, error) {
	if err := s.failed(); err != nil {
		return false, err
	}
	physical := s.tables.fresh(n.Result)
	written, err := s.deal(ctx, engine.Piece{Script: n.Embedded, Query: "FROM " + n.Result}, n.Per, n.Embedded.SQL(), s.folder(physical))
	if written == nil || err != nil {
		return false, s.failure(ctx, err)
	}
	p := &piece{done: make(chan struct{}), query: "SELECT * FROM " + s.config.Catalog + "." + s.schema + "." + physical, folder: written.location, rows: written.rows}
	close(p.done)
	if err := s.adopt(ctx, physical, written.location); err != nil {
		return false, s.failure(ctx, err)
	}
	s.tables.define(n.Result, nil, p)
	return true, nil
}

// adopt makes a table of objects that executors have written, all of one schema.
func (s *Session) adopt(ctx context.Context, physical, folder string) error {
	w := s.config.Stager.(engine.PieceWriter)
	schema, err := w.DescribePieces(ctx, folder)
	if err != nil {
		return err
	}
	columns := make([]string, len(schema))
	for i, c := range schema {
		columns[i] = Dialect{}.Ident(c.Name) + " " + Dialect{}.TypeName(c.Type)
	}
	return s.attempt(ctx, func(int) error {
		_, err := s.db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+physical+" ("+strings.Join(columns, ", ")+
			") WITH (format = 'PARQUET', external_location = "+Dialect{}.Text(folder)+")")
		return err
	})
}

// dealt is what executors have written.
type dealt struct {
	location string
	objects  []engine.Part
	rows     int64
}

// deal has executors do a piece of work in shares of the rows that it is of, by
// their embedded engine: it joins, searches and writes in a fifth of the time that
// Trino takes. It gives nil where there are no executors, and where the work
// does not fit their memory; then it is for the cluster. sql names all tables.
func (s *Session) deal(ctx context.Context, work engine.Piece, per match.Per, sql, folder string) (*dealt, error) {
	w, ok := s.config.Stager.(engine.PieceWriter)
	if !ok {
		return nil, nil
	}
	places, memory, err := w.Room(ctx)
	if places == 0 || err != nil {
		return nil, err
	}
	of := int64(-1) // rows of the table that is divided
	over := s.tables.needs(sql + " " + per.Table)
	for _, relation := range over {
		for _, p := range relation.pieces {
			if err := p.await(ctx); err != nil {
				return nil, err
			}
		}
		if n, known, err := relation.rows(ctx); err == nil && known && relation.name == per.Table {
			of = n
		}
	}
	if of == 0 {
		return &dealt{}, nil
	}
	ranges := s.ranges(per.Source, of, places, memory)
	if len(ranges) == 0 {
		return nil, nil
	}
	all, err := s.views(ctx, sql, over)
	if all == nil || err != nil {
		return nil, err
	}
	pieces := make([]engine.Piece, len(ranges))
	for i, within := range ranges {
		pieces[i] = work
		pieces[i].Views = restrict(all, per, within)
	}
	s.progress.Store(math.Float64bits(0))
	location, parts, err := w.WritePieces(ctx, pieces, s.config.Prefix, folder, func(share float64) { s.progress.Store(math.Float64bits(share)) })
	if errors.Is(err, engine.ErrNoExecutors) || kalla.CodeOf(err) == kalla.CodeLimit {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := &dealt{location: location, objects: parts}
	for _, p := range parts {
		out.rows += p.Rows
	}
	return out, nil
}

// maxPieces bounds the pieces of one piece of work: each reads the records of the
// other side once, which with more of them takes longer than the cluster does.
const maxPieces = 32

// Variables for tests.
var (
	valueBytes int64 = 24     // that a value of a record takes in memory, on average
	leastRows  int64 = 50_000 // of a piece, that make it worth having
)

// ranges divides the numbers of a staged table's rows into conditions that each
// number meets one of, so that a place has room for the records of one: for its
// share of that many, or, if that is negative, of all. They hold %s for the
// number. There are none where there would be too many.
func (s *Session) ranges(table string, of int64, places int, memory int64) []string {
	i := slices.IndexFunc(s.staged, func(t engine.Staged) bool { return t.Name == table })
	if i < 0 {
		return nil
	}
	t := s.staged[i]
	room := max(memory/2/(valueBytes*int64(len(t.Schema)+2)), 1)
	if of < 0 {
		of = t.Rows
	}
	n := max((of+room-1)/room, min(int64(places), of/leastRows), 1)
	if n > maxPieces {
		return nil
	}
	objects := int64(max(t.Pieces, 1))
	at := func(k int64) int64 { // as if all objects had equally many rows
		return (objects*k/n)<<engine.PieceBits + t.Rows/objects*(objects*k%n)/n
	}
	var out []string
	for k := range n {
		var bounds []string
		if k > 0 {
			bounds = append(bounds, fmt.Sprintf("%%[1]s >= %d", at(k)))
		}
		if k < n-1 {
			bounds = append(bounds, fmt.Sprintf("%%[1]s < %d", at(k+1)))
		}
		out = append(out, strings.Join(bounds, " AND "))
	}
	return out
}

// views are what the embedded engine reads by the names of a plan, from the
// objects of the run; nil where there are none of a source.
func (s *Session) views(ctx context.Context, sql string, over []relation) ([]engine.View, error) {
	var out []engine.View
	for _, t := range s.staged {
		if !mentions(sql, t.Name) {
			continue
		}
		if t.Rows == 0 {
			return nil, nil
		}
		out = append(out, engine.View{Name: t.Name, Query: readStaged(t)})
	}
	for _, r := range over {
		query, err := s.readRelation(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, engine.View{Name: r.name, Query: query})
	}
	return out, nil
}

// restrict keeps of the table that is divided, and of its source where no other
// row of that is looked at, the rows within a range.
func restrict(views []engine.View, per match.Per, within string) []engine.View {
	if within == "" {
		return views
	}
	out := slices.Clone(views)
	for i, v := range out {
		number := ""
		switch {
		case v.Name == per.Table:
			number = per.ID
		case v.Name == per.Source && per.Alone:
			number = engine.RowColumn
		default:
			continue
		}
		out[i].Query = "SELECT * FROM (" + v.Query + ") t WHERE " + fmt.Sprintf(within, number)
	}
	return out
}

func mentions(query, name string) bool {
	return regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(query)
}

// readStaged reads a source as the embedded engine would have staged it.
func readStaged(t engine.Staged) string {
	names, list := []string{engine.RowColumn}, []string{engine.RowColumn}
	for _, c := range t.Schema {
		name := quoted(c.Name)
		names = append(names, name)
		if c.Type.Kind == kalla.TimestampTZ { // which is kept in UTC
			name = "CAST(" + name + " AS TIMESTAMPTZ) AS " + name
		}
		list = append(list, name)
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + readObjects(t.Location) + " s(" + strings.Join(names, ", ") + ")"
}

func readObjects(folder string) string {
	return "read_parquet(" + Dialect{}.Text(folder+"/*") + ", hive_partitioning = false)"
}

// readRelation is what a name stands for. Views of a plan and its empty tables
// are of names, numbers and plain types, which all engines write alike.
func (s *Session) readRelation(ctx context.Context, r relation) (string, error) {
	var parts []string
	for _, p := range r.pieces {
		switch {
		case p.done == nil:
			parts = append(parts, p.query)
		case p.rows != 0:
			parts = append(parts, "SELECT * FROM "+readObjects(p.folder))
		}
	}
	if len(parts) > 0 {
		return strings.Join(parts, "\nUNION ALL "), nil
	}
	schema, err := s.Columns(ctx, "SELECT * FROM "+r.name)
	if err != nil {
		return "", err
	}
	var columns []column
	for _, c := range schema {
		columns = append(columns, column{quoted(c.Name), Dialect{}.TypeName(c.Type)})
	}
	return typed(columns), nil
}

// quoted is a name as the embedded engine takes it.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// writeTable has the cluster write a result.
func (s *Session) writeTable(ctx context.Context, r engine.Result) ([]engine.Part, error) {
	table := s.tables.fresh("kalla_file_" + strings.ToLower(encode(r.Name)))
	written := s.start(ctx, table, nil, r.Query)
	if err := written.await(ctx); err != nil || written.rows == 0 {
		return nil, s.failure(ctx, err)
	}
	rows := written.rows
	var parts []engine.Part
	err := s.attempt(ctx, func(int) error {
		parts = nil
		found, err := s.db.QueryContext(ctx, `SELECT "$path", "$file_size", count(*) FROM (`+strings.Replace(written.query, "*", `"$path", "$file_size"`, 1)+`) GROUP BY 1, 2 ORDER BY 1`)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var p engine.Part
			if err := found.Scan(&p.URI, &p.Bytes, &p.Rows); err != nil {
				return err
			}
			parts = append(parts, p)
			rows -= p.Rows
		}
		return found.Err()
	})
	if err == nil && rows != 0 {
		err = &kalla.Error{Code: kalla.CodeEngine, Op: "writing " + r.Name, Where: table,
			Why: fmt.Sprintf("the objects that the cluster wrote lack %d rows", rows), Hint: "the object storage does not show what was written to it; run again"}
	}
	return parts, err
}
