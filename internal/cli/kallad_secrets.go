package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"

	"kalla"
)

// secretPrefix marks environment variables that are meant for jobs.
const secretPrefix = "KALLA_SECRET_"

// jobEnv is what ${NAME} in a job's URIs may stand for. Who may submit a job
// can have any such value sent to a host of their own, so the environment of the
// daemon, which holds its token and more, is not open to jobs as a whole.
func (c *command) jobEnv() (func(string) (string, bool), error) {
	secrets := map[string]string{}
	if file := c.settings.get(keySecretsFile); file != "" {
		data, err := readPrivate(c.path(file), "--secrets-file")
		if err != nil {
			return nil, err
		}
		if secrets, err = parseSecrets(data, file); err != nil {
			return nil, err
		}
	}
	allowed := c.settings.all(keyAllowEnv)
	return func(name string) (string, bool) {
		if v, ok := secrets[name]; ok {
			return v, true
		}
		if strings.HasPrefix(name, secretPrefix) || slices.Contains(allowed, name) {
			return c.env.LookupEnv(name)
		}
		return "", false
	}, nil
}

// readPrivate reads a small file that nobody else may read.
func readPrivate(path, flag string) (string, error) {
	fail := func(err error) (string, error) {
		why := err.Error()
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			why = pe.Err.Error()
		}
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "reading " + flag, Where: path, Why: why, Err: err}
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "reading " + flag, Where: path,
			Why: fmt.Sprintf("others on this machine may read or write it (mode %04o)", mode), Hint: "chmod 600 " + shellQuote(path)}
	}
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return fail(err)
	}
	return strings.TrimSpace(string(data)), nil
}

var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseSecrets reads NAME=VALUE lines, or YAML where the file is called so.
func parseSecrets(data, file string) (map[string]string, error) {
	out := map[string]string{}
	bad := func(where, why, hint string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "reading --secrets-file", Where: where, Why: why, Hint: hint}
	}
	if ext := filepath.Ext(file); ext == ".yaml" || ext == ".yml" {
		tree, err := yaml.Parser().Unmarshal([]byte(data))
		if err != nil {
			return nil, bad(file, "it is not YAML", "write lines such as  PGPASSWORD: …") // the parser's words may quote a secret
		}
		for name, v := range tree {
			text, ok := v.(string)
			if !ok || !secretName.MatchString(name) {
				return nil, bad(file+": "+name, "it is not a name with a text", `write a name such as PGPASSWORD, and numbers in quotes`)
			}
			out[name] = text
		}
		return out, nil
	}
	n := 0
	for line := range strings.SplitSeq(data, "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(strings.TrimPrefix(name, "export ")), strings.TrimSpace(value)
		if !ok || !secretName.MatchString(name) {
			return nil, bad(fmt.Sprintf("%s line %d", file, n), "it is not NAME=VALUE", "write one secret a line; # begins a comment")
		}
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		out[name] = value
	}
	return out, nil
}
