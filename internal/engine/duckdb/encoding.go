package duckdb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"kalla"
	"kalla/internal/source"
)

const (
	plainUTF8 = "utf-8"
	latin1    = "latin-1"
)

// encodingName brings the spellings of the encodings that are treated apart to one.
func encodingName(src source.Source) string {
	switch n := strings.ToLower(src.Get("encoding")); n {
	case "", "utf8", "utf-8":
		return plainUTF8
	case "latin1", "latin-1", "iso-8859-1", "iso8859-1":
		return latin1 // all 256 bytes; the web's standard takes it for windows-1252
	default:
		return n
	}
}

// nativeEncoding reports whether DuckDB reads the encoding by itself.
func nativeEncoding(src source.Source) bool {
	n := encodingName(src)
	return n == plainUTF8 || n == latin1
}

// encodingOf finds an encoding by its name.
func encodingOf(src source.Source) (encoding.Encoding, error) {
	switch n := encodingName(src); n {
	case plainUTF8:
		return unicode.UTF8BOM, nil
	case latin1:
		return charmap.ISO8859_1, nil
	case "utf16", "utf-16", "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), nil
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), nil
	case "cp1252":
		return charmap.Windows1252, nil
	default:
		e, err := htmlindex.Get(n)
		if err != nil {
			return nil, &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: fmt.Sprintf("there is no encoding %q", src.Get("encoding")),
				Hint: "use utf-8, utf-16, latin-1, windows-1252 or another name of the web's encoding standard"}
		}
		return e, nil
	}
}

// decoder makes UTF-8 of the text of a file. UTF-8 passes as it is, valid or
// not: judging it is the engine's part.
func decoder(src source.Source) transform.Transformer {
	e, err := encodingOf(src)
	if err != nil || e == unicode.UTF8BOM {
		return unicode.BOMOverride(transform.Nop)
	}
	return e.NewDecoder()
}

// readable returns files that DuckDB can read: those given, or copies of them
// in UTF-8. DuckDB's extension for encodings is 350 MB large, takes seconds to
// load, and knows UTF-16 in one byte order only.
func (s *Session) readable(ctx context.Context, src source.Source, paths []string) ([]string, error) {
	if nativeEncoding(src) && !(encodingName(src) == plainUTF8 && src.Type == source.File && slices.ContainsFunc(paths, func(p string) bool { return marksUTF16(src, p) })) {
		return paths, nil
	}
	if _, err := encodingOf(src); err != nil {
		return nil, err
	}
	if src.Type != source.File {
		return nil, &kalla.Error{Code: kalla.CodeSource, Where: src.Location(), Why: "files in " + src.Get("encoding") + " are read from local disks only",
			Hint: "copy the file, or convert it to utf-8"}
	}
	out := make([]string, len(paths))
	for i, p := range paths {
		copied, err := s.transcode(ctx, src, p)
		if err != nil {
			return nil, fileError(p, err)
		}
		out[i] = copied
	}
	return out, nil
}

// marksUTF16 reports whether a file begins with the byte order mark of UTF-16.
func marksUTF16(src source.Source, path string) bool {
	r, err := openRaw(src, path)
	if err != nil {
		return false // said when it is read
	}
	defer r.Close()
	var mark [2]byte
	_, err = io.ReadFull(r, mark[:])
	return err == nil && (mark == [2]byte{0xff, 0xfe} || mark == [2]byte{0xfe, 0xff})
}

// transcode copies a file to UTF-8 in the session's temporary folder.
func (s *Session) transcode(ctx context.Context, src source.Source, path string) (string, error) {
	r, err := openText(src, path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	w, err := os.CreateTemp(s.temp.Path(), "text-*.csv")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(w, strictReader{in: contextReader{ctx, bufio.NewReaderSize(r, 1<<20)}, encoding: src.Get("encoding")})
	return w.Name(), errors.Join(err, w.Close())
}

// strictReader fails where decoding had to put the replacement character.
type strictReader struct {
	in       io.Reader
	encoding string
}

var replacementChar = []byte("\ufffd")

func (r strictReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if bytes.Contains(p[:n], replacementChar) {
		return 0, &kalla.Error{Code: kalla.CodeSource, Why: "the text is not " + r.encoding, Hint: "set the option encoding"}
	}
	return n, err
}
