package duckdb

import (
	"bufio"
	"bytes"
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
	CR        bool // lines end in a carriage return alone
}

func (d csvDialect) newline() byte {
	if d.CR {
		return '\r'
	}
	return '\n'
}

// errOpenQuote ends reading at a quoted field that the end of the file is in.
var errOpenQuote = errors.New("a quoted field is not closed")

// errLineTooLong ends reading at a record that no memory should be spent on.
var errLineTooLong = errors.New("a line is longer than 2 MB")

// maxRecord bounds the bytes of one record, as DuckDB's max_line_size does.
const maxRecord = 2_000_000

// openText opens a local file as UTF-8 text without a byte order mark.
func openText(src source.Source, path string) (io.ReadCloser, error) {
	r, err := openRaw(src, path)
	if err != nil {
		return nil, err
	}
	return readCloser{transform.NewReader(r, decoder(src)), r.Close}, nil
}

// openRaw opens a local file and decompresses it.
func openRaw(src source.Source, path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	switch src.Get("compression") {
	case "gzip":
		z, err := gzip.NewReader(bufio.NewReader(f))
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return readCloser{z, f.Close}, nil
	case "zstd":
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return readCloser{z, func() error { z.Close(); return f.Close() }}, nil
	}
	return f, nil
}

type readCloser struct {
	io.Reader
	close func() error
}

func (r readCloser) Close() error { return r.close() }

// recordReader splits text into records, keeping count of physical lines. It
// accepts whatever is written: judging is the engine's part.
type recordReader struct {
	in      *bufio.Reader
	d       csvDialect
	line    int          // physical line that the next byte is on
	single  bool         // one column: an empty line is a record without a value, as it is for DuckDB
	special [2][256]bool // bytes that may mean something, outside and inside of quotes
	text    []byte       // of the record, without quotes and delimiters
	ends    []int        // of its fields but the last, in text
}

func newRecordReader(r io.Reader, d csvDialect) (*recordReader, error) {
	rr := &recordReader{in: bufio.NewReaderSize(r, 64<<10), d: d, line: 1}
	rr.special[0][d.Delimiter], rr.special[0]['\n'], rr.special[0]['\r'] = true, true, true
	rr.special[1][d.newline()] = true
	if d.Quote != 0 {
		rr.special[0][d.Quote], rr.special[1][d.Quote] = true, true
	}
	if d.Escape != 0 {
		rr.special[1][d.Escape] = true
	}
	for range d.Skip {
		if err := rr.skipLine(); err != nil {
			return rr, err
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
		if len(fields) == 1 && fields[0] == "" && !r.single {
			continue // DuckDB skips empty lines too
		}
		return fields, line, nil
	}
}

// record reads one record, in runs of bytes that mean nothing in themselves.
func (r *recordReader) record() ([]string, int, error) {
	r.text, r.ends = r.text[:0], r.ends[:0]
	start, size := r.line, 0
	quoted, fieldStart := false, 0
	for {
		if r.in.Buffered() == 0 {
			if _, err := r.in.Peek(1); err != nil {
				switch {
				case errors.Is(err, io.EOF) && quoted:
					return r.fields(), start, errOpenQuote
				case errors.Is(err, io.EOF) && size > 0:
					return r.fields(), start, nil
				}
				return nil, start, err
			}
		}
		window, err := r.in.Peek(r.in.Buffered())
		if err != nil {
			return nil, start, err
		}
		special := &r.special[0]
		if quoted {
			special = &r.special[1]
		}
		n := 0
		for n < len(window) && !special[window[n]] {
			n++
		}
		if size == 0 && r.d.Comment != 0 && window[0] == r.d.Comment {
			if err := r.skipLine(); err != nil {
				return nil, start, err
			}
			start = r.line
			continue
		}
		r.text = append(r.text, window[:n]...)
		if size += n; size > maxRecord {
			return nil, start, errLineTooLong
		}
		if n == len(window) {
			_, err = r.in.Discard(n)
			if err != nil {
				return nil, start, err
			}
			continue
		}
		c := window[n]
		if _, err = r.in.Discard(n + 1); err != nil {
			return nil, start, err
		}
		size++
		switch {
		case quoted && r.d.Escape != 0 && c == r.d.Escape && r.peekIs(r.d.Quote, r.d.Escape):
			c, _ = r.in.ReadByte()
			r.text = append(r.text, c)
		case quoted && c == r.d.Quote:
			quoted = false
		case quoted:
			if c == r.d.newline() {
				r.line++
			}
			r.text = append(r.text, c)
		case c == r.d.Delimiter:
			r.ends = append(r.ends, len(r.text))
			fieldStart = len(r.text)
		case c == r.d.newline():
			r.line++
			return r.fields(), start, nil
		case c == '\r' && r.peekIs('\n', '\n'):
		case c == r.d.Quote && r.d.Quote != 0 && len(r.text) == fieldStart:
			quoted = true
		default:
			r.text = append(r.text, c)
		}
	}
}

// fields cuts the text of the record into its fields.
func (r *recordReader) fields() []string {
	text := string(r.text)
	out, from := make([]string, 0, len(r.ends)+1), 0
	for _, end := range r.ends {
		out, from = append(out, text[from:end]), end
	}
	return append(out, text[from:])
}

func (r *recordReader) skipLine() error {
	for {
		_, err := r.in.ReadSlice(r.d.newline())
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		r.line++
		return err
	}
}

func (r *recordReader) peekIs(a, b byte) bool {
	next, err := r.in.Peek(1)
	return err == nil && (next[0] == a || next[0] == b)
}

// complete reads a compressed file to its end. DuckDB takes a file that was cut
// off for a whole one; here its length and checksum are verified. It returns
// the bytes of the last line.
func complete(ctx context.Context, src source.Source, path string) (lastLine int64, err error) {
	r, err := openText(src, path)
	var last lastLineWriter
	if err == nil {
		defer r.Close()
		_, err = io.Copy(&last, contextReader{ctx, r})
	}
	if err == nil || ctx.Err() != nil {
		return last.bytes, ctx.Err()
	}
	return 0, &kalla.Error{Code: kalla.CodeSource, Where: path, Why: "the compressed data is damaged or cut off: " + err.Error(), Hint: "copy the file again"}
}

// lastLineWriter counts the bytes of the last line that was written to it, the
// end of a line not being a line of its own.
type lastLineWriter struct {
	bytes int64
	ended bool // a line end was the last that was written
}

func (w *lastLineWriter) Write(p []byte) (int, error) {
	const ends = "\r\n"
	body := bytes.TrimRight(p, ends)
	if len(body) > 0 {
		if i := bytes.LastIndexAny(body, ends); i >= 0 {
			w.bytes = int64(len(body) - i - 1)
		} else if w.ended {
			w.bytes = int64(len(body))
		} else {
			w.bytes += int64(len(body))
		}
		w.ended = false
	}
	w.ended = w.ended || len(body) < len(p)
	return len(p), nil
}

// verify finds what DuckDB overlooks in local files: that one was cut off, and
// that a line longer than its buffer ends one, which it leaves out.
func (f *csvFile) verify(ctx context.Context) error {
	for _, path := range f.paths {
		var last int64
		var err error
		if c := f.src.Get("compression"); c == "gzip" || c == "zstd" {
			last, err = complete(ctx, f.src, path)
		} else {
			last, err = lastLine(path)
		}
		if err != nil {
			return err
		}
		if last > maxRecord {
			where := path
			if n := f.faultyLine(path); n > 0 {
				where = fmt.Sprintf("%s line %d", path, n)
			}
			return &kalla.Error{Code: kalla.CodeSource, Where: where, Why: errLineTooLong.Error(),
				Hint: "look for a quote that is not closed, or check that this is a CSV file"}
		}
	}
	return nil
}

// lastLine returns the bytes of the last line of a file, as far as they matter.
func lastLine(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, &kalla.Error{Code: kalla.CodeSource, Where: path, Err: err}
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size <= maxRecord {
		return 0, err
	}
	var w lastLineWriter
	_, err = io.Copy(&w, io.NewSectionReader(f, size-maxRecord-8, maxRecord+8)) // a few more for the line ends
	return w.bytes, err
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
