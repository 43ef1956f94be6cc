package duckdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/source"
)

// StageObjects does what Stage does, but writes the rows as Parquet objects: those
// of an input below storage.Path/Input.Table/, storage being an s3 source with
// the credentials. What the dealer's processes can read as well is dealt out to
// them; without a dealer the session reads everything itself. No table is kept,
// but for the lookups that derived columns of other inputs join.
//
// Each attempt writes to a folder of its own: the engine completes an object also
// when what was to be written to it fails.
func (s *Session) StageObjects(ctx context.Context, inputs []engine.Input, storage source.Source, dealer engine.Dealer, report func(kalla.Progress)) ([]engine.Staged, error) {
	if report == nil {
		report = func(kalla.Progress) {}
	}
	d := &staging{
		s: s, inputs: inputs, storage: storage, dealer: dealer, report: untilDone(ctx, report),
		staged: make([]engine.Staged, len(inputs)), attempts: make([]int, len(inputs)), shares: make([]float64, len(inputs)),
		dealt: map[int]dealt{}, settled: make(chan outcome, len(inputs)), snapshots: map[string]string{},
	}
	if err := s.abandoning(ctx, func() error { return d.run(ctx) }); err != nil {
		return nil, err
	}
	return d.staged, nil
}

// staging is one call of StageObjects.
type staging struct {
	s       *Session
	inputs  []engine.Input
	storage source.Source
	dealer  engine.Dealer

	staged    []engine.Staged
	attempts  []int // by input
	lookups   []engine.Lookup
	dealt     map[int]dealt // inputs that others are reading
	settled   chan outcome  // of those
	snapshots map[string]string

	mu     sync.Mutex
	report func(kalla.Progress)
	shares []float64 // of each input that is done
}

// dealt is an input that others are reading.
type dealt struct {
	mount  *mount
	schema kalla.Schema
}

type outcome struct {
	input    int
	location string
	rows     []int64 // of each piece
	err      error
}

// run stages the inputs in the order of Stage. The transaction that the snapshot
// of a database belongs to stays open until all its pieces are read.
func (d *staging) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		for range d.dealt {
			<-d.settled
		}
	}()
	if err := d.s.writeBelow(ctx, d.storage, 0); err != nil {
		return err
	}
	if err := d.s.defineFor(ctx, d.inputs); err != nil {
		return engineError(ctx, err)
	}
	first, databases, last := order(d.inputs)
	if err := d.stage(ctx, first); err != nil {
		return err
	}
	if len(databases) > 0 {
		err := d.s.inSnapshot(ctx, d.inputs, func() error {
			if err := d.stage(ctx, databases); err != nil {
				return err
			}
			return d.await(ctx, func(i int) bool { return d.inputs[i].Source.Type.IsDatabase() })
		})
		if err != nil {
			return err
		}
	}
	if err := d.stage(ctx, last); err != nil {
		return err
	}
	return d.await(ctx, func(int) bool { return true })
}

// stage deals out inputs, and reads here what cannot be.
func (d *staging) stage(ctx context.Context, inputs []int) error {
	for _, i := range inputs {
		in := d.inputs[i]
		m, err := d.s.mount(ctx, in)
		if err == nil && d.dealer != nil && m.Pieces != nil && !joined(in, d.inputs) {
			var away bool
			if away, err = d.deal(ctx, i, m); away {
				continue
			}
		}
		if err == nil {
			err = d.read(ctx, i, m)
		}
		if err != nil {
			return stageError(ctx, in, err)
		}
	}
	return nil
}

// read stages an input by the session itself.
func (d *staging) read(ctx context.Context, i int, m *mount) error {
	var location string
	put := func(ctx context.Context, in engine.Input, query string) (int64, kalla.Schema, error) {
		if joined(in, d.inputs) {
			if _, _, err := d.s.intoTable(ctx, in, query); err != nil {
				return 0, nil, err
			}
			if err := d.lookup(ctx, in); err != nil {
				return 0, nil, err
			}
			query = "FROM " + ident(in.Table)
		}
		schema, err := d.s.describeQuery(ctx, query)
		if err != nil {
			return 0, nil, err
		}
		location = d.folder(i)
		rows, err := d.s.copyObjects(ctx, numbered(query, schema), location, stagedFormat, "FILE_SIZE_BYTES '512MB'", "FILENAME_PATTERN '{i}'", "OVERWRITE_OR_IGNORE")
		return rows, schema, err
	}
	p := tracker{alias: d.inputs[i].Alias, total: 1, poll: d.s.Progress, report: func(p kalla.Progress) { d.progress(i, p.Fraction, p.Rows) }}
	table, err := d.s.stageMount(ctx, d.inputs[i], m, &p, put)
	if err != nil {
		return err
	}
	d.staged[i] = engine.Staged{Table: table, Location: location}
	p.finish(table.Rows)
	return nil
}

// folder is a new one for an input.
func (d *staging) folder(i int) string {
	d.attempts[i]++
	return fmt.Sprintf("%s/%s/%d", d.storage.Path, d.inputs[i].Table, d.attempts[i])
}

// progress says what share of an input is done; what is done stays done.
func (d *staging) progress(i int, share float64, rows int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shares[i] = max(d.shares[i], share)
	var sum float64
	for _, s := range d.shares {
		sum += s
	}
	alias := d.inputs[i].Alias
	d.report(kalla.Progress{Stage: kalla.StageStaging, Step: "reading " + alias, Source: alias, Rows: rows, Fraction: sum / float64(len(d.shares))})
}

// joined reports whether derived columns of other inputs look something up in this one.
func joined(in engine.Input, inputs []engine.Input) bool {
	return slices.ContainsFunc(inputs, func(other engine.Input) bool { return other.Table != in.Table && joins(other, in.Table) })
}

// joins reports whether derived columns may mention a table: better once too often.
func joins(in engine.Input, table string) bool {
	return slices.ContainsFunc(in.Derive, func(d kalla.Derived) bool {
		return strings.Contains(strings.ToLower(d.SQL), strings.ToLower(table))
	})
}

// storageSettings bound what an upload buffers: parts of 5 MB, of which an object has at most ten thousand.
const storageSettings = "SET s3_uploader_max_filesize = '50GB'; SET s3_uploader_thread_limit = 4"

// rowSequence numbers staged rows. Unlike row_number() it does not make the
// engine read a source by one thread.
const rowSequence = "__kalla_rows"

// writeBelow prepares writing objects below storage.Path, whose rows are numbered from first.
func (s *Session) writeBelow(ctx context.Context, storage source.Source, first int64) error {
	err := s.access(ctx, storage)
	if err == nil {
		_, err = s.conn.ExecContext(ctx, fmt.Sprintf("%s; CREATE OR REPLACE TEMP SEQUENCE %s MINVALUE 0 START %d", storageSettings, ident(rowSequence), first))
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

// stagedFormat is how staged objects are written. Zstandard at its least level is
// quicker than none: what is saved is written, sent and read again.
var stagedFormat = fmt.Sprintf("FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT %d", dictionaryBound)

// copyObjects writes the rows of a query as objects.
func (s *Session) copyObjects(ctx context.Context, query, to string, options ...string) (rows int64, err error) {
	err = s.conn.QueryRowContext(ctx, fmt.Sprintf("COPY (%s) TO %s (%s)", query, text(to), strings.Join(options, ", "))).Scan(&rows)
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
