package evidence_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"kalla/internal/evidence"
)

// TestOpenFile reads a file of the evidence whole and from the middle, out of a folder and out of a bucket.
func TestOpenFile(t *testing.T) {
	b, d := newBucket(t), openDB(t)
	for _, place := range []string{filepath.Join(t.TempDir(), "run"), b.uri("runs/1", nil)} {
		l := locate(t, place, t.TempDir())
		publishTo(t, d, l, fixtureManifest())
		m, err := evidence.Load(t.Context(), l)
		must(t, err)
		f, err := evidence.OpenFile(t.Context(), l, m, evidence.MatchedFile)
		must(t, err)
		whole, err := io.ReadAll(f)
		must(t, err)
		if meta := m.Files[evidence.MatchedFile]; int64(len(whole)) != meta.Bytes || !bytes.HasPrefix(whole, []byte("PAR1")) {
			t.Errorf("%s: %d bytes, not %d", l, len(whole), meta.Bytes)
		}
		end, err := f.Seek(-4, io.SeekEnd)
		must(t, err)
		last, err := io.ReadAll(f)
		must(t, err)
		if end != int64(len(whole)-4) || string(last) != "PAR1" {
			t.Errorf("%s: %q at %d", l, last, end)
		}
		must(t, f.Close())
		for _, name := range []string{"nothing.parquet", "../run/manifest.json", ""} {
			if _, err := evidence.OpenFile(t.Context(), l, m, name); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: %q: %v", l, name, err)
			}
		}
	}
}
