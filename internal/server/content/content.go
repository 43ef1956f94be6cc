// Package content says what a file holds by looking into it: a name and a media
// type are claims of whoever sent it. What no engine reads, or what is made to
// harm whoever opens it, is refused with what to do instead.
package content

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"kalla"
	"kalla/internal/source"
)

// Content is what a file holds.
type Content struct {
	Format      source.Format
	Compression string // none, gzip or zstd
}

// The bounds of what is looked at, in bytes.
const (
	headSize = 64 << 10
	// scanSize is how much of the beginning of a text is searched for what no text holds, and its end as well.
	scanSize = 64 << 20
	// unpackedSize and unpackedRatio bound what a workbook holds when it is
	// unpacked, since it is read into memory.
	unpackedSize  = 1 << 30
	unpackedRatio = 200
	// ratioFrom is what may be unpacked of any ratio.
	ratioFrom  = 16 << 20
	maxEntries = 10_000
)

func refuse(why, hint string) error {
	return &kalla.Error{Code: kalla.CodeSource, Op: "looking at the file", Why: why, Hint: hint}
}

// Of says what a file of that size holds. Errors are *kalla.Error with
// CodeSource for what is refused, and those of r.
func Of(r io.ReaderAt, size int64) (Content, error) {
	if size == 0 {
		return Content{}, refuse("it is empty", "send a file with records in it")
	}
	head := make([]byte, min(headSize, size))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return Content{}, err
	}
	whole := io.NewSectionReader(r, 0, size)
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")) && binary(head):
		end := make([]byte, 4)
		if _, err := r.ReadAt(end, max(0, size-4)); err != nil && !errors.Is(err, io.EOF) {
			return Content{}, err
		}
		if string(end) != "PAR1" || size < 12 {
			return Content{}, refuse("it is a Parquet file that is cut off", "send it again")
		}
		return Content{source.Parquet, "none"}, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return Content{source.XLSX, "none"}, workbook(r, size)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		unpack, err := gzip.NewReader(whole)
		if err != nil {
			return Content{}, refuse("it begins like gzip and is not", "send it again")
		}
		return compressed("gzip", unpack, size)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		unpack, err := zstd.NewReader(whole, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return Content{}, refuse("it begins like zstd and is not", "send it again")
		}
		defer unpack.Close()
		return compressed("zstd", unpack, size)
	}
	format, err := text(head, size > int64(len(head)))
	if err == nil {
		err = clean(head, whole, size)
	}
	return Content{format, "none"}, err
}

// compressed looks at the beginning of what is unpacked.
func compressed(name string, unpack io.Reader, size int64) (Content, error) {
	head := make([]byte, headSize)
	n, err := 0, error(nil)
	for n < headSize && err == nil {
		var k int
		k, err = unpack.Read(head[n:])
		n += k
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return Content{}, refuse("its "+name+" is damaged or cut off", "send it again")
	case n == 0:
		return Content{}, refuse("it is empty once it is unpacked", "send a file with records in it")
	}
	head = head[:n]
	format, err := text(head, n == headSize)
	if err != nil {
		return Content{}, err
	}
	// Records repeat themselves, but not like this.
	more, err := io.Copy(io.Discard, io.LimitReader(unpack, ratioFrom))
	if err != nil {
		return Content{}, refuse("its "+name+" is damaged or cut off", "send it again")
	}
	if total := more + int64(n); more == ratioFrom && total/unpackedRatio > size {
		return Content{}, refuse(fmt.Sprintf("it unpacks to more than %d times its size", unpackedRatio), "send it without compression")
	}
	return Content{format, name}, nil
}

// workbook makes sure that a zip archive is an Excel workbook that can be unpacked.
func workbook(r io.ReaderAt, size int64) error {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return refuse("it is a zip archive that is damaged or cut off", "send it again")
	}
	if len(archive.File) > maxEntries {
		return refuse(fmt.Sprintf("its archive holds %d files", len(archive.File)), "save the records as CSV")
	}
	parts := map[string]bool{}
	left := int64(unpackedSize)
	for _, f := range archive.File {
		if parts[f.Name] {
			return refuse("its archive holds two files of one name", "save the workbook anew")
		}
		parts[f.Name] = true
		unpacked, err := inflate(f, left)
		if err != nil {
			return err
		}
		left -= unpacked
	}
	if total := unpackedSize - left; total > ratioFrom && total/unpackedRatio > size {
		return refuse(fmt.Sprintf("it unpacks to more than %d times its size", unpackedRatio), "save the records as CSV")
	}
	if !parts["[Content_Types].xml"] || !parts["xl/workbook.xml"] {
		return refuse("it is a zip archive, but no Excel workbook (.xlsx)", "unpack it, and send the files that hold the records")
	}
	return nil
}

// inflate unpacks a file of an archive, since what its directory says of its size may be a lie.
func inflate(f *zip.File, limit int64) (int64, error) {
	in, err := f.Open()
	if err != nil {
		return 0, refuse("its archive is packed in a way that is not known", "save the workbook anew")
	}
	defer in.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(in, limit+1))
	switch {
	case n > limit:
		return n, refuse(fmt.Sprintf("it unpacks to more than %d MB", unpackedSize>>20), "save the records as CSV or Parquet")
	case err != nil:
		return n, refuse("its archive is damaged: "+f.Name, "save the workbook anew")
	}
	return n, nil
}

// known are files that people send by mistake, or that are no records.
var known = []struct{ begins, why, hint string }{
	{"\x7fELF", "it is a program", "send a file with records"},
	{"MZ\x90\x00", "it is a program", "send a file with records"},
	{"\xcf\xfa\xed\xfe", "it is a program", "send a file with records"},
	{"\xca\xfe\xba\xbe", "it is a program", "send a file with records"},
	{"#!", "it is a program", "send a file with records"},
	{"%PDF-", "it is a PDF", "send the CSV or Excel file that it was made of"},
	{"\xd0\xcf\x11\xe0", "it is an old Excel or Word file", "save it as .xlsx or CSV"},
	{"Rar!", "it is an archive", "unpack it, and send the files that hold the records"},
	{"7z\xbc\xaf", "it is an archive", "unpack it, and send the files that hold the records"},
	{"PK\x05\x06", "it is an empty zip archive", "unpack it, and send the files that hold the records"},
	{"BZh91AY&SY", "it is compressed with bzip2", "send it as it is, or compressed with gzip or zstd"},
	{"PK\x03\x04", "it is an archive", "unpack it, and send the files that hold the records"},
	{"\xfd7zXZ", "it is compressed with xz", "send it as it is, or compressed with gzip or zstd"},
	{"\x1f\x8b", "it is compressed twice", "send it compressed once"},
	{"\x28\xb5\x2f\xfd", "it is compressed twice", "send it compressed once"},
	{"PAR1", "it is a Parquet file that is compressed once more", "send the Parquet file itself"},
	{"ORC", "it is an ORC file", "save the records as Parquet or CSV"},
	{"Obj\x01", "it is an Avro file", "save the records as Parquet or CSV"},
	{"SQLite format 3\x00", "it is a SQLite database", "register it as a source (sqlite:…?table=…), or export the table as CSV"},
	{"\x89PNG", "it is a picture", "send a file with records"},
	{"\xff\xd8\xff", "it is a picture", "send a file with records"},
	{"GIF8", "it is a picture", "send a file with records"},
}

// text says what text a beginning is of, and refuses what is none. More says that it goes on.
func text(head []byte, more bool) (source.Format, error) {
	for _, k := range known {
		if bytes.HasPrefix(head, []byte(k.begins)) && (binary(head) || k.begins == "#!" || k.begins == "%PDF-") {
			return "", refuse(k.why, k.hint)
		}
	}
	words := string(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	if wide, ok := utf16Text(head); ok {
		words = wide
	}
	if i := strings.IndexFunc(words, control); i >= 0 {
		return "", noText(words[i])
	}
	words = strings.TrimLeft(words, " \t\r\n")
	switch {
	case words == "" && !more:
		return "", refuse("it holds nothing but empty lines", "send a file with records in it")
	case strings.HasPrefix(words, "<"):
		return "", refuse("it is HTML or XML, not a table", "export the records as CSV or Excel (.xlsx)")
	case strings.HasPrefix(words, "["), strings.HasPrefix(words, "{"):
		return jsonText(words, more), nil
	}
	return source.CSV, nil
}

func noText(b byte) error {
	if b == 0 {
		return refuse("it holds NUL bytes, which no table in text has", "save it as UTF-8, or as UTF-16 with a byte order mark; or send CSV, JSON, Parquet or .xlsx")
	}
	return refuse(fmt.Sprintf("it is neither text nor a known format: it holds the byte 0x%02x", b), "send CSV, JSON, Parquet or .xlsx")
}

// control reports whether a character is in no text. Some old programs end a file with 0x1a.
func control(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != 0x1a
}

func binary(head []byte) bool { return bytes.ContainsFunc(head, control) }

// utf16Text reads what begins with the byte order mark of UTF-16.
func utf16Text(head []byte) (string, bool) {
	big := bytes.HasPrefix(head, []byte{0xfe, 0xff})
	if !big && !bytes.HasPrefix(head, []byte{0xff, 0xfe}) {
		return "", false
	}
	units := make([]uint16, 0, len(head)/2)
	for i := 2; i+1 < len(head); i += 2 {
		lo, hi := uint16(head[i]), uint16(head[i+1])
		if big {
			lo, hi = hi, lo
		}
		units = append(units, hi<<8|lo)
	}
	return string(utf16.Decode(units)), true
}

// jsonText tells JSON, JSON by lines, and CSV whose first column looks like it.
func jsonText(words string, more bool) source.Format {
	d := json.NewDecoder(strings.NewReader(words))
	var first json.RawMessage
	err := d.Decode(&first)
	line, rest, lines := strings.Cut(words, "\n")
	switch {
	case err == nil && strings.HasPrefix(words, "["):
		return source.JSON
	case err == nil && d.More(), lines && json.Valid([]byte(line)) && strings.TrimSpace(rest) != "":
		return source.NDJSON
	case err == nil, more && errors.Is(err, io.ErrUnexpectedEOF):
		return source.JSON
	}
	return source.CSV
}

// clean searches a text for NUL bytes, which end it for some readers and not
// for others. Of a large one the middle is for the engine to complain about.
func clean(head []byte, whole *io.SectionReader, size int64) error {
	if _, wide := utf16Text(head); wide {
		return nil
	}
	for _, part := range []*io.SectionReader{
		io.NewSectionReader(whole, 0, min(size, scanSize)),
		io.NewSectionReader(whole, max(0, size-headSize), min(size, headSize)),
	} {
		block := make([]byte, 256<<10)
		for {
			n, err := part.Read(block)
			if bytes.IndexByte(block[:n], 0) >= 0 {
				return noText(0)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
