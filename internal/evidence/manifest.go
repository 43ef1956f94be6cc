// Package evidence is what a run leaves behind, in a folder or in a bucket: its
// layout, its manifest, how it is published in one step, and how anybody can prove
// afterwards, from the files alone, that no record was lost and nothing was
// changed.
package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kalla"
	"kalla/internal/objects"
)

// FormatVersion is the newest version of the layout and of the manifest. Where
// no table is in parts it is 1, which older programs read as well.
const FormatVersion = 2

// The files of an evidence folder. A run at level keys writes the same
// Parquet files with fewer columns. Of a table that a cluster wrote there is a
// folder of parts instead, and its name stands for the table: see Manifest.Table.
const (
	ManifestFile       = "manifest.json"
	SummaryFile        = "summary.json"
	MatchedFile        = "matched.parquet"         // one row per matched pair
	UnmatchedLeftFile  = "unmatched_left.parquet"  // one row per record, with its reason
	UnmatchedRightFile = "unmatched_right.parquet" // one row per record, with its reason
	BreaksFile         = "breaks.parquet"          // one row per compared field that differs
	CandidatesFile     = "candidates.parquet"      // rivals of ambiguous records
)

// Tables are the names of the tables in the order in which they are shown.
func Tables() []string {
	return []string{MatchedFile, UnmatchedLeftFile, UnmatchedRightFile, BreaksFile, CandidatesFile}
}

// UnmatchedFile is the file of the unmatched records of a side.
func UnmatchedFile(s kalla.Side) string {
	if s == kalla.Left {
		return UnmatchedLeftFile
	}
	return UnmatchedRightFile
}

// Level says how much of the records a run keeps.
type Level string

// The levels.
const (
	Full Level = "full" // every column
	Keys Level = "keys" // primary keys, reasons and differences; sums cannot be recomputed from the files
	None Level = "none" // no folder; the summary only
)

// Manifest describes an evidence folder. It is written last: a folder without
// a manifest is not evidence.
type Manifest struct {
	Format     int               `json:"format"`
	RunID      string            `json:"run_id"`
	Kalla      string            `json:"kalla"` // version of the program
	Level      Level             `json:"evidence"`
	Started    time.Time         `json:"started"`
	Ended      time.Time         `json:"ended"`
	Engine     kalla.EngineInfo  `json:"engine"`
	Recipe     json.RawMessage   `json:"recipe"` // as run: parameters bound, credentials removed
	Parameters map[string]string `json:"parameters,omitempty"`
	Left       Source            `json:"left"`
	Right      Source            `json:"right"`
	Extras     []Source          `json:"extras,omitempty"`
	Summary    kalla.Summary     `json:"summary"`
	Files      map[string]File   `json:"files"` // every file of the evidence but the manifest
	// Tables are the columns of the tables that are folders of parts, by folder:
	// matched for matched/00000.parquet and so on.
	Tables map[string]kalla.Schema `json:"tables,omitempty"`
}

// Source describes one source as it was read.
type Source struct {
	Alias       string       `json:"alias"`
	Location    string       `json:"location"` // without credentials
	Fingerprint string       `json:"fingerprint"`
	Consistency string       `json:"consistency"` // "snapshot" where all rows are of one point in time
	PrimaryKey  []string     `json:"primary_key,omitempty"`
	Schema      kalla.Schema `json:"schema"`
	Rows        int64        `json:"rows"` // that pass the filters
}

// File describes one file of the evidence. Rows are of Parquet files, Schema of
// those that are a whole table; Bytes and SHA256 are filled in when the evidence is published.
type File struct {
	SHA256 string       `json:"sha256"` // lower-case hexadecimal
	Bytes  int64        `json:"bytes"`
	Rows   int64        `json:"rows"`
	Schema kalla.Schema `json:"schema,omitempty"`
}

// Side returns the source and the counts of a side.
func (m *Manifest) Side(s kalla.Side) (Source, kalla.SideSummary) {
	if s == kalla.Left {
		return m.Left, m.Summary.Left
	}
	return m.Right, m.Summary.Right
}

// maxManifest bounds what is read of a manifest, in bytes: it holds the recipe, no records.
const maxManifest = 64 << 20

// Load reads the manifest of evidence. Where there is none, or one that cannot
// be read, the error is of CodeEvidence.
func Load(ctx context.Context, l Location) (*Manifest, error) {
	m, _, err := load(ctx, l)
	return m, err
}

// load returns the manifest, and its bytes as they are stored.
func load(ctx context.Context, l Location) (*Manifest, []byte, error) {
	data, err := readManifest(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	where := l.join(ManifestFile)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	m := new(Manifest)
	if err := dec.Decode(m); err != nil {
		return nil, nil, &kalla.Error{
			Code: kalla.CodeEvidence, Op: "reading evidence", Where: where,
			Why: "the manifest is not valid JSON: " + err.Error(), Err: err,
			Hint: "it was changed after the run; take the folder from a backup or run the recipe again",
		}
	}
	if m.Format < 1 || m.Format > FormatVersion {
		return nil, nil, &kalla.Error{
			Code: kalla.CodeEvidence, Op: "reading evidence", Where: where,
			Why:  fmt.Sprintf("the manifest is of format %d, this program reads up to format %d", m.Format, FormatVersion),
			Hint: "use the version of kalla that wrote it, or a newer one",
		}
	}
	return m, data, nil
}

// readManifest reads what a location has as its manifest.
func readManifest(ctx context.Context, l Location) ([]byte, error) {
	if l.uri == "" {
		data, err := os.ReadFile(filepath.Join(l.dir, ManifestFile))
		if err != nil {
			return nil, loadError(l.dir, err)
		}
		return data, nil
	}
	bucket, err := l.open()
	if err != nil {
		return nil, err
	}
	defer bucket.Close()
	data, err := bucket.Read(ctx, ManifestFile, maxManifest)
	if objects.IsNotExist(err) {
		return nil, &kalla.Error{
			Code: kalla.CodeEvidence, Op: "reading evidence", Where: l.String(), Err: err,
			Why:  "there is no " + ManifestFile + " below it, so it is not the evidence of a finished run",
			Hint: "name the place that a run printed under “evidence”",
		}
	}
	return data, err
}

// Find returns the manifest of the evidence that a run left at a location, and
// nil where there is none, or that of another run.
func Find(ctx context.Context, l Location, runID string) (*Manifest, error) {
	m, err := Load(ctx, l)
	switch {
	case errors.Is(err, fs.ErrNotExist), objects.IsNotExist(err):
		return nil, nil
	case err != nil:
		return nil, err
	case m.RunID != runID:
		return nil, nil
	}
	return m, nil
}

// loadError says why a folder has no readable manifest.
func loadError(dir string, err error) error {
	e := &kalla.Error{Code: kalla.CodeEvidence, Op: "reading evidence", Where: dir, Err: err}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e.Why = pe.Err.Error()
	}
	if errors.Is(err, fs.ErrNotExist) {
		e.Hint = "name the folder that a run printed under “evidence”"
		if info, statErr := os.Stat(dir); statErr != nil || !info.IsDir() {
			e.Why = "there is no such folder"
		} else {
			e.Why = "the folder holds no " + ManifestFile + ", so it is not the evidence of a finished run"
		}
	}
	return e
}
