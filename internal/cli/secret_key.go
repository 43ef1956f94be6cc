package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/seal"
)

// secretKeys are the keys that credentials are stored sealed with: those of
// KALLA_SECRET_KEY, or of a file that only this user may read. It is made if it
// is the one in the data folder and not there yet.
func (c *command) secretKeys(dataDir string) (*seal.Keys, error) {
	if text := c.settings.get(keySecretKey); text != "" {
		return seal.Parse(text)
	}
	path := c.path(c.settings.get(keySecretKeyFile))
	if path == "" {
		path = app.KeyFile(dataDir)
		if err := makeKey(path); err != nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "making the secret key", Where: path, Err: err,
				Hint: "name a folder with --data that this user may write to, or set KALLA_SECRET_KEY (openssl rand -base64 32 makes one)"}
		}
	}
	text, err := readPrivate(path, "the secret key")
	if err != nil {
		return nil, err
	}
	keys, err := seal.Parse(text)
	if e, ok := errors.AsType[*kalla.Error](err); ok {
		named := *e
		named.Where = path
		return nil, &named
	}
	return keys, err
}

// makeKey writes a new key to a file that is not there: whole or not at all,
// and not where another process was quicker.
func makeKey(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-") // for this user alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(seal.Generate() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
