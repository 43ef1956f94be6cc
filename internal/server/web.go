package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"kalla"
)

// webFile is a file of the web app as it is served: in one of the forms in
// which it was built.
type webFile struct {
	data map[string][]byte // by Content-Encoding; "" as it is
	etag string
	mime string
}

// encodings are the forms that a build may hold beside a file, the best first.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}, {"", ""}}

// readWeb reads the whole web app, which is small, so that serving it touches no file.
func readWeb(files fs.FS) (map[string]*webFile, error) {
	out := map[string]*webFile{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		base, encoding := name, ""
		for _, e := range encodings[:2] {
			if plain, ok := strings.CutSuffix(name, e.suffix); ok {
				base, encoding = plain, e.name
			}
		}
		f := out[base]
		if f == nil {
			f = &webFile{data: map[string][]byte{}, mime: mime.TypeByExtension(path.Ext(base))}
			out[base] = f
		}
		f.data[encoding] = data
		if encoding == "" {
			sum := sha256.Sum256(data)
			f.etag = hex.EncodeToString(sum[:16])
		}
		return nil
	})
	if err == nil && (out["index.html"] == nil || out["index.html"].data[""] == nil) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "reading the web app", Where: "index.html", Err: err}
	}
	return out, nil
}

// serveWeb serves the web app. What is no file of it is a page that it shows
// itself, for which it is loaded.
func (s *Server) serveWeb(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	f := s.web[name]
	switch {
	case f != nil && f.data[""] != nil:
	case strings.HasPrefix(name, "assets/"): // of another version of the app: no page
		http.NotFound(w, r)
		return
	default:
		name, f = "index.html", s.web["index.html"]
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") { // the name says what is in it
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	encoding := ""
	if len(f.data) > 1 {
		h.Add("Vary", "Accept-Encoding")
		encoding = f.accepted(r.Header.Get("Accept-Encoding"))
	}
	tag := f.etag
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
		tag += "-" + encoding
	}
	h.Set("Etag", `"`+tag+`"`)
	if f.mime != "" {
		h.Set("Content-Type", f.mime)
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.data[encoding]))
}

// accepted is the best form of the file that a client takes.
func (f *webFile) accepted(header string) string {
	takes := map[string]bool{}
	for item := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		weight := strings.ReplaceAll(params, " ", "")
		takes[strings.ToLower(strings.TrimSpace(name))] = weight != "q=0" && weight != "q=0.0"
	}
	for _, e := range encodings[:2] {
		if f.data[e.name] != nil && takes[e.name] {
			return e.name
		}
	}
	return ""
}
