package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kalla"
	"kalla/internal/seal"
)

func keys(t testing.TB, text string) *seal.Keys {
	t.Helper()
	k, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSeal(t *testing.T) {
	k := keys(t, seal.Generate())
	for _, plain := range []string{"", "x&y=postgres", strings.Repeat("postgres://u:p@db/", 1000)} {
		a, b := k.Seal([]byte(plain), "sources", "uri", "invoices"), k.Seal([]byte(plain), "sources", "uri", "invoices")
		if bytes.Equal(a, b) {
			t.Error("sealing twice gives the same")
		}
		if plain != "" && bytes.Contains(a, []byte(plain)) {
			t.Error("the plain text shows")
		}
		got, err := k.Open(a, "sources", "uri", "invoices")
		if err != nil || string(got) != plain {
			t.Errorf("opened %q, %v", got, err)
		}
	}
}

// A sealed value opens in its place only, and not after any change.
func TestSealIsBound(t *testing.T) {
	k := keys(t, seal.Generate())
	sealed := k.Seal([]byte("secret"), "ab", "c")
	for _, place := range [][]string{{"a", "bc"}, {"abc"}, {"ab", "c", ""}, {"c", "ab"}, nil} {
		if _, err := k.Open(sealed, place...); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("in %q: %v", place, err)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := k.Open(changed, "ab", "c"); !errors.Is(err, seal.ErrDamaged) && !errors.Is(err, seal.ErrKey) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := k.Open(sealed[:i], "ab", "c"); err == nil {
			t.Errorf("cut to %d bytes it opens", i)
		}
	}
}

func TestRotation(t *testing.T) {
	first, second := seal.Generate(), seal.Generate()
	sealed := keys(t, first).Seal([]byte("secret"), "x")
	both := keys(t, second+", "+first)
	if got, err := both.Open(sealed, "x"); err != nil || string(got) != "secret" {
		t.Errorf("with the old key second: %q, %v", got, err)
	}
	if both.Current(sealed) || !both.Knows(sealed) {
		t.Error("a value of the old key is known and not current")
	}
	again := both.Seal([]byte("secret"), "x")
	if !both.Current(again) {
		t.Error("what is sealed now is not current")
	}
	if _, err := keys(t, second).Open(again, "x"); err != nil {
		t.Errorf("the first key does not suffice: %v", err)
	}
	_, err := keys(t, first).Open(again, "x")
	if e, ok := errors.AsType[*kalla.Error](err); !errors.Is(err, seal.ErrKey) || !ok || e.Hint == "" {
		t.Errorf("without the key: %v", err)
	}
	if keys(t, first).Knows(again) {
		t.Error("the old key does not know what the new one sealed")
	}
}

func TestParse(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb}, 32)
	want := keys(t, base64.StdEncoding.EncodeToString(raw)).String()
	for _, text := range []string{base64.RawStdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), "\n" + base64.RawURLEncoding.EncodeToString(raw) + "\r\n"} {
		if got := keys(t, text).String(); got != want {
			t.Errorf("%q is key %s, want %s", text, got, want)
		}
	}
	good := base64.StdEncoding.EncodeToString(raw)
	for _, text := range []string{"", " ", "correct horse battery staple", good[:20], good + good, good + ",x"} {
		_, err := seal.Parse(text)
		e, ok := errors.AsType[*kalla.Error](err)
		if !ok || e.Hint == "" {
			t.Errorf("%q: %v", text, err)
		} else if strings.Contains(err.Error(), good[:20]) || strings.Contains(err.Error(), "horse") {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	k := keys(t, good)
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v", k, k)} {
		if strings.Contains(text, "251") || strings.Contains(text, good[:10]) || strings.Contains(text, "fbfb") {
			t.Errorf("a key prints as %s", text)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.key")
	var wg sync.WaitGroup
	got := make([]string, 10)
	for i := range got {
		wg.Go(func() {
			k, err := seal.File(path)
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = k.String()
		})
	}
	wg.Wait()
	for _, g := range got {
		if g != got[0] || g == "" {
			t.Fatalf("processes got the keys %q", got)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"others may read": func() error { return os.Chmod(path, 0o644) },
		"half of it":      func() error { return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, text[:20], 0o600)) },
		"empty":           func() error { return os.WriteFile(path, nil, 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		_, err := seal.File(path)
		e, ok := errors.AsType[*kalla.Error](err)
		if !ok || e.Hint == "" || !strings.Contains(e.Where, path) || strings.Contains(err.Error(), string(text[:20])) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seal.File(filepath.Join(t.TempDir(), "no", "folder", "key")); err == nil {
		t.Error("made a key in a folder that is not there")
	}
}

func FuzzOpen(f *testing.F) {
	k := keys(f, seal.Generate())
	f.Add(k.Seal([]byte("secret"), "x"))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := k.Open(sealed, "y"); err == nil {
			t.Errorf("forged %q", plain)
		}
	})
}
