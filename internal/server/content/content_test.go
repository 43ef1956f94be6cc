package content_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"kalla"
	"kalla/internal/server/content"
	"kalla/internal/source"
)

type file struct{ name, text string }

func workbook(t testing.TB, files ...file) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		part, err := w.Create(f.name)
		if err == nil {
			_, err = io.WriteString(part, f.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var parts = []file{{"[Content_Types].xml", "<Types/>"}, {"xl/workbook.xml", "<workbook/>"}}

func gz(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zst(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

func wide(text string) string {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return string(out)
}

func of(text string) (content.Content, error) {
	return content.Of(strings.NewReader(text), int64(len(text)))
}

func TestOf(t *testing.T) {
	csv := "id;name\n1;Ågren\n2;Café\n"
	long := "id,text\n" + strings.Repeat("1,some words that are not many\n2,and others\n", 5000)
	for name, c := range map[string]struct {
		text string
		want content.Content
	}{
		"CSV":               {csv, content.Content{source.CSV, "none"}},
		"one column":        {"id\n1\n2", content.Content{source.CSV, "none"}},
		"Latin-1":           {"id;name\n1;\xc5gren\n", content.Content{source.CSV, "none"}},
		"byte order mark":   {"\xef\xbb\xbfid,name\n", content.Content{source.CSV, "none"}},
		"UTF-16":            {wide(csv), content.Content{source.CSV, "none"}},
		"end of a DOS file": {"id\r\n1\r\n\x1a", content.Content{source.CSV, "none"}},
		"names like magic":  {"PK,MZ,Rar!,BZh\nPAR1,2,3,4\n", content.Content{source.CSV, "none"}},
		"PAR1 column":       {"PAR1,id\n1,2\n", content.Content{source.CSV, "none"}},
		"brackets":          {"[id],[name]\n1,2\n", content.Content{source.CSV, "none"}},
		"braces":            {"{id},name\n1,2\n", content.Content{source.CSV, "none"}},
		"JSON":              {`[{"id": 1}, {"id": 2}]`, content.Content{source.JSON, "none"}},
		"one object":        {"{\"id\": 1,\n \"name\": \"a\"}\n", content.Content{source.JSON, "none"}},
		"long JSON":         {"[" + strings.Repeat(`{"id":1,"name":"abc"},`, 10_000) + `{"id":2}]`, content.Content{source.JSON, "none"}},
		"lines of JSON":     {"{\"id\":1}\n{\"id\":2}\n", content.Content{source.NDJSON, "none"}},
		"long lines":        {strings.Repeat("{\"id\":1,\"name\":\"abc\"}\n", 10_000), content.Content{source.NDJSON, "none"}},
		"Parquet":           {"PAR1\x15\x00\x00\x00\x00\x00\x00\x00PAR1", content.Content{source.Parquet, "none"}},
		"workbook":          {workbook(t, parts...), content.Content{source.XLSX, "none"}},
		"gzip":              {gz(t, long), content.Content{source.CSV, "gzip"}},
		"short gzip":        {gz(t, csv), content.Content{source.CSV, "gzip"}},
		"zstd":              {zst(t, long), content.Content{source.CSV, "zstd"}},
		"zstd of lines":     {zst(t, "{\"id\":1}\n{\"id\":2}\n"), content.Content{source.NDJSON, "zstd"}},
	} {
		if got, err := of(c.text); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	zeros := strings.Repeat("0", 40<<20)
	lying := []byte(workbook(t, append(parts, file{"xl/worksheets/sheet1.xml", zeros})...))
	// The directory says that the sheet is small.
	for i := 0; ; i++ {
		at := bytes.Index(lying[i:], []byte("PK\x01\x02"))
		if at < 0 {
			break
		}
		i += at
		binary.LittleEndian.PutUint32(lying[i+24:], min(100, binary.LittleEndian.Uint32(lying[i+24:])))
	}
	for name, c := range map[string]struct{ text, why string }{
		"nothing":              {"", "empty"},
		"empty lines":          {"\n\n  \n", "empty lines"},
		"program":              {"\x7fELF\x02\x01\x01\x00\x00\x00", "program"},
		"Windows program":      {"MZ\x90\x00\x03\x00\x00\x00", "program"},
		"script":               {"#!/bin/sh\nrm -rf /\n", "program"},
		"HTML":                 {"\n<!DOCTYPE html><script>alert(1)</script>", "HTML"},
		"HTML in UTF-16":       {wide("<html>"), "HTML"},
		"XML":                  {"\xef\xbb\xbf<?xml version=\"1.0\"?>", "XML"},
		"PDF":                  {"%PDF-1.7\n", "PDF"},
		"old Excel":            {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "old Excel"},
		"picture and archive":  {"GIF89a\x01\x00" + workbook(t, parts...), "picture"},
		"page and archive":     {"<html>" + workbook(t, parts...), "is neither text"},
		"archive":              {workbook(t, file{"a.csv", "id\n1\n"}), "no Excel workbook"},
		"document":             {workbook(t, file{"[Content_Types].xml", "<Types/>"}, file{"word/document.xml", "<document/>"}), "no Excel workbook"},
		"two of one name":      {workbook(t, append(parts, parts[1])...), "two files"},
		"bomb":                 {workbook(t, append(parts, file{"xl/worksheets/sheet1.xml", zeros})...), "200 times"},
		"bomb that lies":       {string(lying), "damaged"},
		"many files":           {workbook(t, many(10_001)...), "10001 files"},
		"cut workbook":         {workbook(t, parts...)[:100], "cut off"},
		"cut Parquet":          {"PAR1\x15\x00\x00\x00\x00\x00\x00\x00\x00", "cut off"},
		"gzip bomb":            {gz(t, zeros), "200 times"},
		"zstd bomb":            {zst(t, zeros), "200 times"},
		"cut gzip":             {gz(t, "id\n1\n2\n")[:20], "cut off"},
		"damaged zstd":         {zst(t, "id\n1\n2\n"+strings.Repeat("x", 100))[:15], "cut off"},
		"empty gzip":           {gz(t, ""), "empty"},
		"twice compressed":     {gz(t, gz(t, "id\n1\n")), "twice"},
		"workbook in gzip":     {gz(t, workbook(t, parts...)), "archive"},
		"Parquet in gzip":      {gz(t, "PAR1\x15\x00\x00\x00\x00\x00\x00\x00PAR1"), "Parquet"},
		"program in gzip":      {gz(t, "\x7fELF\x02\x01\x00"), "program"},
		"NUL":                  {"id,name\n1,a\x00b\n", "NUL"},
		"NUL far behind":       {"id,name\n" + strings.Repeat("1,abc\n", 100_000) + "2,\x00\n" + strings.Repeat("1,abc\n", 100_000), "NUL"},
		"UTF-16 without marks": {wide("id,name\n1,a\n")[2:], "NUL"},
		"other bytes":          {"id,name\n1,\x01\x02\n", "0x01"},
		"SQLite":               {"SQLite format 3\x00\x10\x00", "SQLite"},
	} {
		got, err := of(c.text)
		if err == nil || !strings.Contains(err.Error(), c.why) || kalla.CodeOf(err) != kalla.CodeSource {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func many(n int) []file {
	out := make([]file, n)
	for i := range out {
		out[i].name = fmt.Sprint(i)
	}
	return out
}

// FuzzOf: whatever comes, there is an answer: a format that is known, or an error that says what to do.
func FuzzOf(f *testing.F) {
	for _, seed := range []string{"id,name\n1,a\n", `[{"id":1}]`, "PAR1\x00PAR1", wide("a,b"), gz(f, "a,b\n"), zst(f, "a,b\n"), workbook(f, parts...)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := content.Of(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			e, ok := errors.AsType[*kalla.Error](err)
			if !ok || e.Hint == "" || e.Why == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		if got.Format == "" || got.Compression == "" {
			t.Fatalf("%+v of %q", got, data)
		}
	})
}
