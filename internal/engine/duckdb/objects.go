package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// StageObjects does what Stage does, but writes the rows as Parquet objects: those
// of an input below storage.Path/Input.Table/, storage being an s3 source with
// the credentials. No table is kept, but for the lookups that derived columns of
// other inputs join.
//
// Each attempt writes to a folder of its own: the engine completes an object also
// when what was to be written to it fails.
func (s *Session) StageObjects(ctx context.Context, inputs []engine.Input, storage source.Source, report func(kalla.Progress)) ([]engine.Staged, error) {
	if report == nil {
		report = func(kalla.Progress) {}
	}
	attempts := map[string]int{} // by table
	folder := func(in engine.Input) string {
		return fmt.Sprintf("%s/%s/%d", strings.TrimSuffix(storage.Path, "/"), in.Table, attempts[in.Table])
	}
	var tables []engine.Table
	err := s.abandoning(ctx, func() (err error) {
		if err := s.storage(ctx, storage); err != nil {
			return err
		}
		put := func(ctx context.Context, in engine.Input, query string) (int64, kalla.Schema, error) {
			if joined(in, inputs) {
				if _, _, err := s.intoTable(ctx, in, query); err != nil {
					return 0, nil, err
				}
				query = "FROM " + ident(in.Table)
			}
			schema, err := s.describeQuery(ctx, query)
			if err != nil {
				return 0, nil, err
			}
			attempts[in.Table]++
			rows, err := s.copyObjects(ctx, numbered(query, schema), folder(in), "FILE_SIZE_BYTES '512MB', FILENAME_PATTERN '{i}', OVERWRITE_OR_IGNORE")
			return rows, schema, err
		}
		tables, err = s.stageAll(ctx, inputs, untilDone(ctx, report), put)
		return err
	})
	if err != nil {
		return nil, err
	}
	staged := make([]engine.Staged, len(tables))
	for i, t := range tables {
		staged[i] = engine.Staged{Table: t, Location: folder(inputs[i])}
	}
	return staged, nil
}

// joined reports whether derived columns of other inputs look something up in this one.
func joined(in engine.Input, inputs []engine.Input) bool {
	return len(in.Derive) == 0 && slices.ContainsFunc(inputs, func(other engine.Input) bool {
		return slices.ContainsFunc(other.Derive, func(d kalla.Derived) bool {
			return strings.Contains(strings.ToLower(d.SQL), strings.ToLower(in.Table))
		})
	})
}

// storageSettings bound what an upload buffers: parts of 5 MB, of which an object has at most ten thousand.
const storageSettings = "SET s3_uploader_max_filesize = '50GB'; SET s3_uploader_thread_limit = 4"

// rowSequence numbers staged rows. Unlike row_number() it does not make the
// engine read a source by one thread.
const rowSequence = "__kalla_rows"

// storage prepares writing objects below storage.Path.
func (s *Session) storage(ctx context.Context, storage source.Source) error {
	err := s.access(ctx, storage)
	if err == nil {
		_, err = s.conn.ExecContext(ctx, storageSettings+"; CREATE TEMP SEQUENCE IF NOT EXISTS "+ident(rowSequence)+" MINVALUE 0 START 0")
	}
	return engineError(ctx, err)
}

// numbered writes the rows of a query, whose columns are known, as staged
// objects hold them. A cast that changes nothing costs nothing.
func numbered(query string, schema kalla.Schema) string {
	list := []string{"nextval(" + text(rowSequence) + ") AS " + ident(engine.RowColumn)}
	for _, c := range schema {
		t := c.Type
		if t.Kind == kalla.TimestampTZ {
			t.Kind = kalla.Timestamp // in the session's time zone, which is UTC
		}
		list = append(list, fmt.Sprintf("CAST(%[1]s AS %[2]s) AS %[1]s", ident(c.Name), dialect.TypeName(t)))
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM (" + query + ")"
}

// copyObjects writes the rows of a query as Parquet. Zstandard at its least
// level is quicker than none: what is saved is written, sent and read again.
func (s *Session) copyObjects(ctx context.Context, query, to, options string) (rows int64, err error) {
	err = s.conn.QueryRowContext(ctx, fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT %d, %s)",
		query, text(to), dictionaryBound, options)).Scan(&rows)
	return rows, storageError(ctx, to, err)
}

// storageError tells an error of the cluster's storage from one of the source.
func storageError(ctx context.Context, to string, err error) error {
	if err == nil || canceled(ctx, err) != nil {
		return err
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(to, "s3://"), "/")
	if !strings.Contains(err.Error(), key) {
		return err
	}
	e := &kalla.Error{Code: kalla.CodeEngine, Op: "writing to the cluster's storage", Where: to, Why: plainMessage(err),
		Hint: "check the storage's address, its credentials and the space that is left"}
	var known *kalla.Error
	if errors.As(remoteError(source.Source{Type: source.S3, Path: to}, err), &known) {
		e.Why, e.Hint = known.Why, known.Hint
	}
	return e
}
