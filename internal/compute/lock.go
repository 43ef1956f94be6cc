package compute

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kalla"
)

// lockDir takes the data folder for this process. The system frees it when the
// process ends, however it ends; until then the file says who has it.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "kallad.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: path, Err: err, Hint: "name a folder with --data-dir that this user may write to"}
	}
	if err := tryLock(f); err != nil {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		why := "another scheduler is using the data folder"
		if who := strings.TrimSpace(string(holder)); who != "" {
			why += " (" + who + ")"
		}
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: opening, Where: dir, Why: why, Hint: "stop it, or name another folder with --data-dir", Err: err}
	}
	host, _ := os.Hostname()
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, internal(opening, path, err)
	}
	return f, nil
}
