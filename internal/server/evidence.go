package server

import (
	"archive/zip"
	"context"
	"crypto/rand"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/problem"
	"kalla/internal/scratch"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

const (
	exportsAtOnce = 2 // exports and verifications: each reads all of a run's evidence
	workTime      = 15 * time.Minute
	exportPrefix  = "kalla-export-"
)

func (s *Server) registerEvidence(api huma.API) {
	get := func(path, id, summary, contentType string) huma.Operation {
		op := operation("evidence", http.MethodGet, "/api/runs/{run_id}/"+path, id, summary, auth.Read)
		if contentType != "" {
			binary := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
			op.Responses = map[string]*huma.Response{"200": {Description: "The file", Content: map[string]*huma.MediaType{contentType: binary}}}
		}
		return op
	}
	file := get("evidence/{file}", "get-evidence-file", "A file of a run's evidence, as it is", "application/octet-stream")
	file.Description = "With ranges. The ETag is the SHA-256 that the manifest holds."
	huma.Register(api, file, s.evidenceFile)
	part := get("evidence/{table}/{part}", "get-evidence-part", "A part of a table that a cluster wrote, as it is", "application/octet-stream")
	part.Description = "Columns go by position, as the manifest names them; an export as Parquet has them in one file. With ranges and an ETag as well."
	huma.Register(api, part, s.evidencePart)
	huma.Register(api, get("export", "export-run", "The evidence as a workbook, CSV or Parquet files", "application/octet-stream"), s.export)
	huma.Register(api, get("verify", "verify-run", "Prove the evidence from its files alone", ""), s.verify)
}

type evidenceFileInput struct {
	RunPath
	File string `path:"file" maxLength:"200"`
}

type evidencePartInput struct {
	RunPath
	Table records.Table `path:"table" enum:"matched,unmatched_left,unmatched_right,breaks,candidates"`
	Part  string        `path:"part" maxLength:"200" example:"00000.parquet"`
}

func (s *Server) evidencePart(ctx context.Context, in *evidencePartInput) (*huma.StreamResponse, error) {
	return s.evidenceFile(ctx, &evidenceFileInput{RunPath: in.RunPath, File: string(in.Table) + "/" + in.Part})
}

func (s *Server) evidenceFile(ctx context.Context, in *evidenceFileInput) (*huma.StreamResponse, error) {
	run, err := s.completed(ctx, in.RunID)
	if err != nil {
		return nil, err
	}
	open, err := s.evidence(ctx, in.RunID)
	if err != nil {
		return nil, err
	}
	m := open.Manifest()
	meta, ok := m.Files[in.File]
	if !ok && in.File != evidence.ManifestFile {
		return nil, problem.New(http.StatusNotFound, "reading evidence: "+in.RunID+" has no file "+in.File, "manifest.json names them all")
	}
	place, err := s.evidenceOf(run)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		f, err := evidence.OpenFile(r.Context(), place, m, in.File)
		if err != nil {
			s.writeProblem(r.Context(), w, s.recordsProblem(r.Context(), err))
			return
		}
		defer f.Close()
		h := w.Header()
		h.Set("Cache-Control", "private, no-cache")
		if ok {
			h.Set("Etag", `"`+meta.SHA256+`"`)
		}
		contentType := "application/vnd.apache.parquet"
		if filepath.Ext(in.File) == ".json" {
			contentType = "application/json"
		}
		h.Set("Content-Type", contentType)
		attach(h, strings.ReplaceAll(in.File, "/", "-"))
		http.ServeContent(patient(w), r, in.File, m.Ended, f)
	}}, nil
}

type exportInput struct {
	RunPath
	Format evidence.Format `query:"format" enum:"xlsx,csv,parquet" default:"xlsx"`
	Table  records.Table   `query:"table" enum:"matched,unmatched_left,unmatched_right,breaks,candidates" doc:"One table instead of all; for csv and parquet"`
	Raw    bool            `query:"raw" doc:"In CSV, leave texts as they are that a spreadsheet would run as formulas"`
}

func (s *Server) export(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	if in.Table != "" && in.Format == evidence.XLSX {
		return nil, invalid("query.table", "a workbook holds all tables", "leave it out, or use csv or parquet")
	}
	run, err := s.completed(ctx, in.RunID)
	if err != nil {
		return nil, err
	}
	place, err := s.evidenceOf(run)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	if err := s.store.Record(ctx, "run.export", "run", in.RunID, map[string]any{"format": in.Format, "table": in.Table}); err != nil {
		return nil, s.problem(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		if err := s.exportTo(r, w, run, place, in); err != nil {
			s.writeProblem(r.Context(), w, s.recordsProblem(r.Context(), err))
		}
	}}, nil
}

// exportTo makes the export in a private folder, and sends it. Once it is being
// sent nothing is returned: an answer that breaks off says so by itself.
func (s *Server) exportTo(r *http.Request, w http.ResponseWriter, run *state.Run, place evidence.Location, in *exportInput) error {
	ctx := r.Context()
	done, err := s.turn(ctx, w)
	if err != nil {
		return err
	}
	temp, paths, err := s.exported(ctx, place, in)
	done() // sending takes no work
	if err != nil {
		return err
	}
	defer func() { _ = temp.Remove() }()
	name := fileName(run) + "." + string(in.Format)
	if len(paths) == 1 {
		if in.Table != "" {
			name = fileName(run) + "-" + filepath.Base(paths[0])
		}
		f, err := os.Open(paths[0])
		if err != nil {
			return err
		}
		defer f.Close()
		w.Header().Set("Content-Type", contentTypes[in.Format])
		attach(w.Header(), name)
		http.ServeContent(patient(w), r, name, time.Time{}, f)
		return nil
	}
	w.Header().Set("Content-Type", "application/zip")
	attach(w.Header(), fileName(run)+"-"+string(in.Format)+".zip")
	if err := zipTo(patient(w), paths, in.Format != evidence.Parquet); err != nil {
		panic(http.ErrAbortHandler) // half an archive must not look like a whole one
	}
	return nil
}

var contentTypes = map[evidence.Format]string{
	evidence.XLSX:    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	evidence.CSV:     "text/csv; charset=utf-8",
	evidence.Parquet: "application/vnd.apache.parquet",
}

// turn waits until the work may be done; done lets the next one.
func (s *Server) turn(ctx context.Context, w http.ResponseWriter) (done func(), err error) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(workTime)) // a recorder in tests has none
	select {
	case s.exports <- struct{}{}:
		return func() { <-s.exports }, nil
	case <-ctx.Done():
		return nil, &kalla.Error{Code: kalla.CodeCanceled, Op: "exporting evidence", Why: "cancelled", Err: ctx.Err()}
	}
}

// exported writes the export into a folder that the caller removes.
func (s *Server) exported(ctx context.Context, place evidence.Location, in *exportInput) (_ *scratch.Dir, paths []string, err error) {
	scratch.Sweep(s.cfg.TempDir, exportPrefix)
	temp, err := scratch.Make(filepath.Join(s.cfg.TempDir, exportPrefix+rand.Text()+scratch.Suffix))
	if err != nil {
		return nil, nil, &kalla.Error{Code: kalla.CodeInternal, Op: "exporting evidence", Where: s.cfg.TempDir, Err: err}
	}
	paths, err = evidence.Export(ctx, place, filepath.Join(temp.Path(), "export"), evidence.ExportOptions{Format: in.Format, Raw: in.Raw}, s.cfg.Query)
	if err == nil && in.Table != "" {
		paths, err = one(paths, string(in.Table), in.RunID)
	}
	if err != nil {
		_ = temp.Remove()
		return nil, nil, err
	}
	return temp, paths, nil
}

// one is the file of a table.
func one(paths []string, table, runID string) ([]string, error) {
	for _, p := range paths {
		if name, _, _ := strings.Cut(filepath.Base(p), "."); name == table {
			return []string{p}, nil
		}
	}
	return nil, &kalla.Error{Code: kalla.CodeEvidence, Op: "exporting evidence", Where: runID, Why: "it has no table " + table}
}

func zipTo(w io.Writer, paths []string, compress bool) error {
	z := zip.NewWriter(w)
	for _, p := range paths {
		head := &zip.FileHeader{Name: filepath.Base(p), Method: zip.Store}
		if compress {
			head.Method = zip.Deflate
		}
		out, err := z.CreateHeader(head)
		if err != nil {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		_ = f.Close()
		if err != nil {
			return err
		}
	}
	return z.Close()
}

type verifyOutput = body[*evidence.Report]

func (s *Server) verify(ctx context.Context, in *verifyInput) (*verifyOutput, error) {
	run, err := s.completed(ctx, in.RunID)
	if err != nil {
		return nil, err
	}
	place, err := s.evidenceOf(run)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	done, err := s.turn(ctx, in.w)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	defer done()
	report, err := evidence.Verify(ctx, place, s.cfg.Query)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return &verifyOutput{report}, nil
}

type verifyInput struct {
	RunPath
	w http.ResponseWriter
}

// Resolve keeps the answer's writer, whose deadline is put off.
func (in *verifyInput) Resolve(ctx huma.Context) []error {
	_, in.w = humago.Unwrap(ctx)
	return nil
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fileName is what an export of a run is called, without its ending.
func fileName(run *state.Run) string {
	id := run.RunID
	if len(id) > 8 {
		id = id[len(id)-8:] // its beginning is the time
	}
	return strings.Trim(unfit.ReplaceAllString(run.RecipeID, "_"), "_.") + "-" + run.CreatedAt.Format("20060102") + "-" + unfit.ReplaceAllString(id, "_")
}

// attach has a browser save what comes.
func attach(h http.Header, name string) {
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
}

// writeProblem answers with a problem where huma does not any more.
func (s *Server) writeProblem(ctx context.Context, w http.ResponseWriter, err error) {
	if ctx.Err() != nil {
		return // nobody waits for it
	}
	p := problem.FromError(err)
	for _, name := range []string{"Etag", "Content-Disposition"} {
		w.Header().Del(name)
	}
	p.Write(w)
}

// patient returns a writer whose deadline is put off with each write: a download
// takes as long as it gets on.
func patient(w http.ResponseWriter) http.ResponseWriter {
	return &patientWriter{w, http.NewResponseController(w)}
}

type patientWriter struct {
	http.ResponseWriter
	conn *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(bodyTime)) // a recorder in tests has none
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
