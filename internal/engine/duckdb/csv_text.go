package duckdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/transform"

	"kalla"
	"kalla/internal/source"
)

// csvDialect is how the fields of a file are told apart.
type csvDialect struct {
	Delimiter byte
	Quote     byte // 0 for none
	Escape    byte // 0 for none
	Comment   byte // 0 for none
	Skip      int  // lines at the top
}

// errOpenQuote ends reading at a quoted field that the end of the file is in.
var errOpenQuote = errors.New("a quoted field is not closed")

// errLineTooLong ends reading at a record that no memory should be spent on.
var errLineTooLong = errors.New("a line is longer than 2 MB")

// maxRecord bounds the bytes of one record, as DuckDB's max_line_size does.
const maxRecord = 2_000_000

// openText opens a local file as UTF-8 text without a byte order mark.
func openText(src source.Source, path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var r io.Reader = f
	switch src.Get("compression") {
	case "gzip":
		if r, err = gzip.NewReader(bufio.NewReader(f)); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("gzip: %w", err)
		}
	case "zstd":
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("zstd: %w", err)
		}
		closer := func() error { z.Close(); return f.Close() }
		return readCloser{transform.NewReader(z, decoder(src)), closer}, nil
	}
	return readCloser{transform.NewReader(r, decoder(src)), f.Close}, nil
}

type readCloser struct {
	io.Reader
	close func() error
}

func (r readCloser) Close() error { return r.close() }

// recordReader splits text into records, keeping count of physical lines. It
// accepts whatever is written: judging is the engine's part.
type recordReader struct {
	in   *bufio.Reader
	d    csvDialect
	line int // physical line that the next byte is on
}

func newRecordReader(r io.Reader, d csvDialect) (*recordReader, error) {
	rr := &recordReader{in: bufio.NewReaderSize(r, 64<<10), d: d, line: 1}
	for range d.Skip {
		for {
			c, err := rr.in.ReadByte()
			if err != nil {
				return rr, err
			}
			if c == '\n' {
				rr.line++
				break
			}
		}
	}
	return rr, nil
}

// next returns the fields of the next record that is not an empty line, and the
// line it starts on. At the end the error is io.EOF.
func (r *recordReader) next() (fields []string, line int, err error) {
	for {
		fields, line, err = r.record()
		if err != nil {
			return nil, line, err
		}
		if len(fields) == 1 && fields[0] == "" {
			continue // DuckDB skips empty lines too
		}
		return fields, line, nil
	}
}

func (r *recordReader) record() ([]string, int, error) {
	var fields []string
	var field []byte
	start, size := r.line, 0
	quoted, atStart := false, true
	end := func() []string { return append(fields, string(field)) }
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			switch {
			case errors.Is(err, io.EOF) && quoted:
				return end(), start, errOpenQuote
			case errors.Is(err, io.EOF) && size > 0:
				return end(), start, nil
			}
			return nil, start, err
		}
		if size++; size > maxRecord {
			return nil, start, errLineTooLong
		}
		if c == '\n' {
			r.line++
		}
		switch {
		case size == 1 && r.d.Comment != 0 && c == r.d.Comment:
			for c != '\n' {
				if c, err = r.in.ReadByte(); err != nil {
					return nil, start, err
				}
			}
			r.line++
			start, size = r.line, 0
		case quoted && r.d.Escape != 0 && c == r.d.Escape && r.peekIs(r.d.Quote, r.d.Escape):
			c, _ = r.in.ReadByte()
			field = append(field, c)
		case quoted && c == r.d.Quote:
			quoted = false
		case quoted:
			field = append(field, c)
		case atStart && r.d.Quote != 0 && c == r.d.Quote:
			quoted, atStart = true, false
		case c == r.d.Delimiter:
			fields, field, atStart = end(), nil, true
		case c == '\n':
			return end(), start, nil
		case c == '\r' && r.peekIs('\n', '\n'):
		default:
			field, atStart = append(field, c), false
		}
	}
}

func (r *recordReader) peekIs(a, b byte) bool {
	next, err := r.in.Peek(1)
	return err == nil && (next[0] == a || next[0] == b)
}

// complete reads a compressed file to its end. DuckDB takes a file that was cut
// off for a whole one; here its length and checksum are verified.
func complete(ctx context.Context, src source.Source, path string) error {
	r, err := openText(src, path)
	if err == nil {
		defer r.Close()
		_, err = io.Copy(io.Discard, contextReader{ctx, r})
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return &kalla.Error{Code: kalla.CodeSource, Where: path, Why: "the compressed data is damaged or cut off: " + err.Error(), Hint: "copy the file again"}
}

type contextReader struct {
	ctx context.Context
	in  io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}

// delimiters are the candidates, the likelier first.
var delimiters = []byte{',', ';', '\t', '|'}

// sniffDelimiter returns the delimiter under which most of the records at the
// head of a file have the same number of fields, more than one. A file without
// any is read as one column.
func sniffDelimiter(head string, d csvDialect) byte {
	best, bestShare, bestWidth := delimiters[0], 0.0, 1
	for _, c := range delimiters {
		d.Delimiter = c
		rr, err := newRecordReader(strings.NewReader(head), d)
		if err != nil {
			return best
		}
		widths, total := map[int]int{}, 0
		for {
			fields, _, err := rr.next()
			if err != nil { // the head may end inside a field
				break
			}
			widths[len(fields)]++
			total++
		}
		for w, n := range widths {
			share := float64(n) / float64(total)
			if w > 1 && (share > bestShare || share == bestShare && w > bestWidth) {
				best, bestShare, bestWidth = c, share, w
			}
		}
	}
	return best
}
