package state

import (
	"bufio"

	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"reflect"

	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"kalla"
)

// A backup is lines of JSON, compressed by zstd: a head, then for each table an
// object with its name and columns and an array for each row, then the end with
// the numbers of rows and the SHA-256 of all lines before. It is the same from
// and for both databases. Sealed values stay sealed.
const backupFormat = 1

type (
	backupHead struct {
		Format  int       `json:"kalla_backup"`
		Schema  int       `json:"schema"` // version of the tables
		Created time.Time `json:"created"`
	}
	backupTable struct {
		Table   string   `json:"table"`
		Columns []string `json:"columns"`
	}
	backupEnd struct {
		Rows   map[string]int64 `json:"rows"`
		SHA256 string           `json:"sha256"`
	}
	// backupLine is any line that is not a row.
	backupLine struct {
		backupTable
		backupEnd
	}
)

// backedUp are the tables of a backup; none refers to a later one. Whoever is
// signed in, and what only spares the repetition of a request, is not part of it.
func backedUp() []any {
	return []any{(*User)(nil), (*Token)(nil), (*setting)(nil), (*Source)(nil), (*Recipe)(nil), (*Version)(nil), (*recipeSource)(nil),
		(*Run)(nil), (*Event)(nil), (*Approval)(nil), (*Upload)(nil), (*Chat)(nil), (*ChatMessage)(nil), (*Entry)(nil), (*head)(nil)}
}

func (s *Store) table(model any) *schema.Table { return s.read.Table(reflect.TypeOf(model).Elem()) }

// Restored says what a backup held.
type Restored struct {
	Created time.Time        // when the backup was made
	Rows    map[string]int64 // by table
	Foreign int64            // sealed values that need a key that is not there
}

// Backup writes all that is stored, as it is at one moment, while others go on.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	const op = "writing the backup"
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return s.wrap(ctx, op, err)
	}
	out := &lineWriter{w: bufio.NewWriter(z), sum: sha256.New()}
	err = s.read.RunInTx(ctx, s.snapshot, func(ctx context.Context, tx bun.Tx) error {
		if err := out.write(backupHead{Format: backupFormat, Schema: schemaVersion, Created: s.clock()}); err != nil {
			return err
		}
		end := backupEnd{Rows: map[string]int64{}}
		for _, model := range backedUp() {
			t := s.table(model)
			n, err := s.backupTable(ctx, tx, t, out)
			if err != nil {
				return err
			}
			end.Rows[t.Name] = n
		}
		end.SHA256 = hex.EncodeToString(out.sum.Sum(nil))
		return out.write(end)
	})
	return s.wrap(ctx, op, errors.Join(err, out.w.Flush(), z.Close()))
}

func (s *Store) backupTable(ctx context.Context, tx bun.Tx, t *schema.Table, out *lineWriter) (n int64, err error) {
	columns := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		columns[i] = f.Name
	}
	if err := out.write(backupTable{Table: t.Name, Columns: columns}); err != nil {
		return 0, err
	}
	q := tx.NewSelect().Model(reflect.New(t.Type).Interface())
	for _, pk := range t.PKs {
		q = q.OrderBy(pk.Name, bun.OrderAsc)
	}
	rows, err := q.Rows(ctx)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		row := reflect.New(t.Type)
		if err := s.read.ScanRow(ctx, rows, row.Interface()); err != nil {
			return 0, err
		}
		values := make([]any, len(t.Fields))
		for i, f := range t.Fields {
			values[i] = f.Value(row.Elem()).Interface()
			if j, ok := values[i].(JSON); ok { // as a text: the encoder would write it its own way
				values[i] = string(j)
			}
		}
		if err := out.write(values); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}

// lineWriter writes lines of JSON and sums them up.
type lineWriter struct {
	w   *bufio.Writer
	sum hash.Hash
}

func (l *lineWriter) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	l.sum.Write(line)
	_, err = l.w.Write(line)
	return err
}

// Restore reads a backup into an empty database: whole, or not at all.
func (s *Store) Restore(ctx context.Context, r io.Reader) (*Restored, error) {
	const op = "restoring the backup"
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, s.wrap(ctx, op, err)
	}
	defer z.Close()
	in := &restorer{Store: s, lines: bufio.NewReader(z), sum: sha256.New(), Restored: Restored{Rows: map[string]int64{}}}
	err = s.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := s.empty(ctx, tx); err != nil {
			return err
		}
		return in.run(ctx, tx)
	})
	if err != nil {
		return nil, s.wrap(ctx, op, err)
	}
	return &in.Restored, nil
}

// empty fails unless nothing is stored, and makes room for the end of the audit log.
func (s *Store) empty(ctx context.Context, tx bun.Tx) error {
	end := &head{}
	if err := s.forUpdate(tx.NewSelect().Model(end).Where("id = 1")).Scan(ctx); err != nil {
		return err
	}
	for _, model := range backedUp() {
		if _, ok := model.(*head); ok {
			continue
		}
		there, err := tx.NewSelect().Model(model).Exists(ctx)
		if err != nil {
			return err
		}
		if there {
			return &kalla.Error{Code: kalla.CodeUsage, Op: "restoring the backup", Where: s.name, Err: ErrExists,
				Why: fmt.Sprintf("the database is not empty: there are %s", s.table(model).Name), Hint: "restore into a new database"}
		}
	}
	_, err := tx.NewDelete().Model(end).WherePK().Exec(ctx)
	return err
}

type restorer struct {
	*Store
	Restored
	lines *bufio.Reader
	sum   hash.Hash
	n     int // line

	table  *schema.Table   // that rows belong to
	fields []*schema.Field // of its columns in the backup
	batch  reflect.Value   // slice of rows that are still to be inserted
	size   int             // of their lines, in bytes
}

// A statement inserts this many rows or bytes of lines at most.
const (
	batchRows  = 200
	batchBytes = 1 << 20
)

func (r *restorer) fault(why string, err error) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: "restoring the backup", Where: fmt.Sprintf("line %d", r.n), Why: why, Err: err,
		Hint: "the file is damaged or no backup of Kalla: take another one"}
}

func (r *restorer) next() ([]byte, error) {
	r.n++
	line, err := r.lines.ReadBytes('\n')
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, r.fault("it ends before its end", io.ErrUnexpectedEOF)
	}
	if err != nil {
		return nil, r.fault("it cannot be read: "+err.Error(), err)
	}
	return line, nil
}

func (r *restorer) run(ctx context.Context, tx bun.Tx) error {
	line, err := r.next()
	if err != nil {
		return err
	}
	var h backupHead
	if err := json.Unmarshal(line, &h); err != nil || h.Format == 0 {
		return r.fault("it does not begin like a backup", err)
	}
	if h.Format > backupFormat || h.Schema > schemaVersion {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "restoring the backup", Err: ErrVersion,
			Why: "it was made by a newer version of the program", Hint: "restore it with that version"}
	}
	r.Created = h.Created
	r.sum.Write(line)
	for {
		sum := hex.EncodeToString(r.sum.Sum(nil))
		line, err := r.next()
		if err != nil {
			return err
		}
		r.sum.Write(line)
		if line[0] == '[' {
			if err := r.row(ctx, tx, line); err != nil {
				return err
			}
			continue
		}
		var l backupLine
		if err := json.Unmarshal(line, &l); err != nil {
			return r.fault("it is not JSON", err)
		}
		if err := r.flush(ctx, tx); err != nil {
			return err
		}
		if l.SHA256 != "" {
			return r.end(l.backupEnd, sum)
		}
		if err := r.begin(l.backupTable); err != nil {
			return err
		}
	}
}

// begin makes ready for the rows of a table.
func (r *restorer) begin(b backupTable) error {
	for _, model := range backedUp() {
		if t := r.Store.table(model); t.Name == b.Table {
			r.table, r.fields = t, nil
		}
	}
	if r.table == nil || r.table.Name != b.Table {
		return r.fault(fmt.Sprintf("there is no table %q", b.Table), nil)
	}
	for _, name := range b.Columns {
		f, ok := r.table.FieldMap[name]
		if !ok {
			return r.fault(fmt.Sprintf("table %s has no column %q", b.Table, name), nil)
		}
		r.fields = append(r.fields, f)
	}
	r.Rows[b.Table] = 0
	r.batch = reflect.MakeSlice(reflect.SliceOf(r.table.Type), 0, batchRows)
	return nil
}

func (r *restorer) row(ctx context.Context, tx bun.Tx, line []byte) error {
	var values []json.RawMessage
	if err := json.Unmarshal(line, &values); err != nil {
		return r.fault("it is not JSON", err)
	}
	if r.table == nil || len(values) != len(r.fields) {
		return r.fault("it is not a row of its table", nil)
	}
	row := reflect.New(r.table.Type).Elem()
	for i, f := range r.fields {
		to := f.Value(row).Addr().Interface()
		var err error
		if j, ok := to.(*JSON); ok {
			var text string
			err = json.Unmarshal(values[i], &text)
			*j = JSON(text)
		} else {
			err = json.Unmarshal(values[i], to)
		}
		if err != nil {
			return r.fault(fmt.Sprintf("column %s does not hold what it should", f.Name), err)
		}
	}
	if sealed := sealedOf(row.Addr().Interface()); sealed != nil && !r.keys.Knows(sealed) {
		r.Foreign++
	}
	r.Rows[r.table.Name]++
	r.batch = reflect.Append(r.batch, row)
	if r.size += len(line); r.batch.Len() == batchRows || r.size >= batchBytes {
		return r.flush(ctx, tx)
	}
	return nil
}

func sealedOf(row any) []byte {
	switch row := row.(type) {
	case *Source:
		return row.Sealed
	case *Run:
		return row.Sealed
	}
	return nil
}

func (r *restorer) flush(ctx context.Context, tx bun.Tx) error {
	if r.table == nil || r.batch.Len() == 0 {
		return nil
	}
	rows := reflect.New(r.batch.Type())
	rows.Elem().Set(r.batch)
	if _, err := tx.NewInsert().Model(rows.Interface()).Exec(ctx); err != nil {
		return err
	}
	r.batch, r.size = r.batch.Slice(0, 0), 0
	return nil
}

func (r *restorer) end(e backupEnd, sum string) error {
	if e.SHA256 != sum {
		return r.fault("the check sum is another", nil)
	}
	for table, n := range e.Rows {
		if r.Rows[table] != n {
			return r.fault(fmt.Sprintf("table %s has %d rows, not %d", table, r.Rows[table], n), nil)
		}
	}
	if _, err := r.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return r.fault("it goes on after its end", err)
	}
	return nil
}
