package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// large makes the sources of a job many records that agree on nothing but their amount.
func large(t *testing.T, job app.Job, records int) {
	t.Helper()
	var left, right strings.Builder
	left.WriteString("invoice_id,amount,currency,due,customer\n")
	right.WriteString("payment_id,reference,paid,value_date,payer\n")
	for i := range records {
		fmt.Fprintf(&left, "INV-%032x,%d.50,EUR,2026-01-02,Customer %d\n", i*7919, 100+i, i)
		fmt.Fprintf(&right, "P%d,INV-%032x,%d.50,2026-01-02,Customer %d\n", i, i*7919, 100+i, i)
	}
	for name, text := range map[string]string{"invoices.csv": left.String(), "payments.csv": right.String()} {
		if err := os.WriteFile(filepath.Join(job.BaseDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// full checks the error of a full disk, and that the run left nothing.
func full(t *testing.T, err error, hint string, folders ...string) {
	t.Helper()
	var e *kalla.Error
	if !errors.As(err, &e) || e.Code != kalla.CodeLimit || !strings.Contains(e.Hint, hint) {
		t.Errorf("got %v (%+v), want a limit and a hint at %s", err, e, hint)
	}
	for _, dir := range folders {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) > 0 {
			t.Errorf("%v is left behind", left)
		}
	}
}

func TestDiskFullSpilling(t *testing.T) {
	testenv.SmallDisk(t, 4<<20, func(t *testing.T, dir string) {
		job := small(t)
		large(t, job, 300_000)
		job.Limits.TempDir, job.Limits.Memory = dir, 48<<20
		_, err := app.Run(t.Context(), job)
		full(t, err, "--temp-dir", dir)
		if _, err := os.Stat(job.Out); err == nil {
			t.Error("there is evidence")
		}
	})
}

// TestDiskFullTranscoding: a copy in UTF-8 does not fit either.
func TestDiskFullTranscoding(t *testing.T) {
	testenv.SmallDisk(t, 1<<20, func(t *testing.T, dir string) {
		job := small(t)
		large(t, job, 50_000)
		job.Recipe.Sources.Left.Options = map[string]string{"encoding": "windows-1252"}
		job.Limits.TempDir = dir
		_, err := app.Run(t.Context(), job)
		full(t, err, "--temp-dir", dir)
	})
}

func TestDiskFullEvidence(t *testing.T) {
	for _, size := range []int64{16 << 10, 256 << 10, 2 << 20} { // stops at the folder, an early or a late file
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			testenv.SmallDisk(t, size, func(t *testing.T, dir string) {
				job := small(t)
				large(t, job, 50_000)
				job.Out = filepath.Join(dir, "out")
				_, err := app.Run(t.Context(), job)
				full(t, err, "--out", dir)
			})
		})
	}
}
