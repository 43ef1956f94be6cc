package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/evidence"
)

// configFile is read from the working directory.
const configFile = "kalla.yaml"

// setting is one thing that flags, the environment or kalla.yaml can set.
type setting struct {
	key     string   // in kalla.yaml
	flag    string   // empty where there is none
	env     []string // the first that is set counts
	def     string
	daemon  string // default of kallad, where it is another
	of      program
	list    bool // several values: the flag repeated, a list in kalla.yaml, commas elsewhere
	help    string
	example string              // what the flag takes, for help
	check   func(string) error  // says what is wrong with a value
	mask    func(string) string // what may be shown of a value that is, or holds, a secret
}

// program is which command line a setting is of; the zero value means both.
type program string

const (
	kallaProgram  program = "kalla"
	kalladProgram program = "kallad"
)

// has reports whether the setting counts for the program.
func (p program) has(s setting) bool { return s.of == "" || s.of == p }

// fallback is the default of a setting.
func (p program) fallback(s setting) string {
	if p == kalladProgram && s.daemon != "" {
		return s.daemon
	}
	return s.def
}

const (
	keyEngine      = "engine"
	keyMemory      = "memory"
	keyThreads     = "threads"
	keyTempDir     = "temp_dir"
	keyEvidence    = "evidence"
	keyEvidenceDir = "evidence_dir"
	keyExtensions  = "duckdb_extensions"
	keyLog         = "log"
	keyLogFormat   = "log_format"
	keyHTTPPort    = "http_port"
	keyGRPCPort    = "grpc_port"
	keyBindHost    = "bind_host"
	keyDataDir     = "data_dir"
	keyMaxJobs     = "max_jobs"
	keyAllowDir    = "allow_file_dir"
	keyAllowHost   = "allow_host"
	keyAllowCall   = "allow_callback"
	keyAllowEnv    = "allow_env"
	keyTokenFile   = "token_file"
	keySecretsFile = "secrets_file"
	keyGrace       = "grace"
	keyToken       = "worker_token"
	keyCallbackKey = "callback_key"
	keySchedHost   = "scheduler_host"
	keySchedPort   = "scheduler_port"
	keyFlightPort  = "flight_port"
	keyExtHost     = "external_host"
	keyObjects     = "cluster_storage"
	keyTrinoHome   = "trino_home"
	keyJavaHome    = "java_home"
	keyTrinoURL    = "trino_url"
	keyTrinoUser   = "trino_user"
	keyTrinoPass   = "trino_password"
	keyTrinoToken  = "trino_token"
	keyTrinoCA     = "trino_ca"
	keySecret      = "cluster_secret"
	keyPartitions  = "partitions"
)

const extensionsEnv = "KALLA_DUCKDB_EXTENSIONS"

var settingSpecs = slices.Concat(engineSettings, appSettings, daemonSettings, clusterSettings)

var engineSettings = []setting{
	{key: keyEngine, of: kallaProgram, flag: "engine", env: []string{"KALLA_ENGINE"}, def: "auto", example: "auto|duckdb",
		help: "what does the work", check: oneOf("auto", "duckdb")},
	{key: keyMemory, flag: "memory", env: []string{"KALLA_MEMORY"}, example: "SIZE",
		help:  "most memory the engine takes, such as 4GB; it spills to disk beyond it (default: a share of the machine)",
		check: func(v string) error { _, err := parseBytes(v); return err }},
	{key: keyThreads, flag: "threads", env: []string{"KALLA_THREADS"}, example: "N",
		help: "threads of the engine (default: all processors)", check: checkThreads},
	{key: keyTempDir, flag: "temp-dir", env: []string{"KALLA_TEMP_DIR"}, example: "DIR",
		help: "where the engine spills (default: below the system's temporary folder)"},
	{key: keyEvidence, of: kallaProgram, flag: "evidence", env: []string{"KALLA_EVIDENCE"}, def: string(evidence.Full), example: "full|keys|none",
		help: "how much of the records to keep", check: oneOf(string(evidence.Full), string(evidence.Keys), string(evidence.None))},
	{key: keyEvidenceDir, of: kallaProgram, env: []string{"KALLA_EVIDENCE_DIR"}, def: filepath.Join("kalla-data", "runs"),
		help: "where runs put their evidence, one folder each"},
	{key: keyExtensions, env: []string{extensionsEnv},
		help: "folder of DuckDB extensions, for machines without internet"},
	{key: keyLog, env: []string{"KALLA_LOG", "RUST_LOG"}, def: "warn", daemon: "info",
		help: "what is logged to stderr: trace, debug, info, warn, error", check: oneOf("trace", "debug", "info", "warn", "error", "off")},
	{key: keyLogFormat, flag: "log-format", env: []string{"KALLA_LOG_FORMAT"}, def: "text", example: "text|json",
		help: "how log lines are written", check: oneOf("text", "json")},
}

// daemonSettings are those of kallad, and of what it shares with the app.
var daemonSettings = []setting{
	{key: keyHTTPPort, of: kalladProgram, flag: "http-port", env: []string{"KALLA_HTTP_PORT"}, def: "9090", example: "PORT",
		help: "port of the HTTP API; 0 takes a free one", check: checkPort},
	{key: keyGRPCPort, of: kalladProgram, flag: "grpc-port", env: []string{"KALLA_GRPC_PORT"}, def: "50050", example: "PORT",
		help: "port of a scheduler's coordinator, if it starts one, or of an executor's daemon (50052)", check: checkPort},
	{key: keyBindHost, flag: "bind-host", env: []string{"KALLA_BIND_HOST"}, def: "127.0.0.1", example: "HOST",
		help: "address to listen on; any but this machine's own needs a token, and a scheduler --allow-…"},
	{key: keyDataDir, of: kalladProgram, flag: "data-dir", env: []string{"KALLA_DATA_DIR"}, def: filepath.Join("kalla-data", "scheduler"), example: "DIR",
		help: "where the scheduler keeps its jobs, or an executor the files of its worker (kalla-data/executor-PORT)"},
	{key: keyMaxJobs, of: kalladProgram, flag: "max-jobs", env: []string{"KALLA_MAX_JOBS"}, example: "N",
		help: "jobs that run at the same time (default: one a processor, eight at most)", check: checkJobs},
	{key: keyAllowDir, of: kalladProgram, list: true, flag: "allow-file-dir", env: []string{"KALLA_ALLOW_FILE_DIR"}, example: "DIR",
		help: "folder that jobs may read and write below; may be repeated"},
	{key: keyAllowHost, of: kalladProgram, list: true, flag: "allow-host", env: []string{"KALLA_ALLOW_HOST"}, example: "HOST",
		help: "host that jobs may read from: db, db:5432, *.example.com, 10.0.0.0/8, s3://bucket; may be repeated"},
	{key: keyAllowCall, of: kalladProgram, list: true, flag: "allow-callback", env: []string{"KALLA_ALLOW_CALLBACK"}, example: "HOST",
		help: "host that callbacks may go to, such as app:3000; may be repeated"},
	{key: keyAllowEnv, list: true, flag: "allow-env", env: []string{"KALLA_ALLOW_ENV"}, example: "NAME",
		help: "environment variable that jobs may use as ${NAME}, beside KALLA_SECRET_…; may be repeated"},
	{key: keyToken, env: []string{tokenEnv}, mask: hide,
		help: "token of requests to a scheduler and of its callbacks"},
	{key: keyTokenFile, flag: "token-file", env: []string{"KALLA_TOKEN_FILE"}, example: "PATH",
		help: "file with the token (or KALLA_WORKER_TOKEN)"},
	{key: keyCallbackKey, env: []string{"KALLA_CALLBACK_KEY"}, mask: hide,
		help: "key that callbacks are signed with (Standard Webhooks): whsec_ and 24 to 64 bytes in base64"},
	{key: keySecretsFile, flag: "secrets-file", env: []string{"KALLA_SECRETS_FILE"}, example: "PATH",
		help: "file of NAME=VALUE lines, or YAML, that jobs may use as ${NAME}"},
	{key: keyGrace, flag: "grace", env: []string{"KALLA_GRACE"}, def: "10s", daemon: "30s", example: "DURATION",
		help: "how long running jobs, and requests, get to finish when it is stopped", check: checkGrace},
}

// settings are the values that hold in one invocation, with their origins.
type settings struct {
	merged  *koanf.Koanf
	origins map[string]string
}

// addSettingFlags gives a command the flags of the named settings.
func addSettingFlags(cmd *cobra.Command, keys ...string) {
	for _, s := range settingSpecs {
		if s.flag == "" || !slices.Contains(keys, s.key) {
			continue
		}
		if s.list {
			cmd.Flags().Var(new(listValue), s.flag, s.help)
		} else {
			cmd.Flags().String(s.flag, s.def, s.help)
		}
		takes(cmd, s.flag, s.example)
	}
}

// listValue is a flag that may be repeated.
type listValue []string

func (l *listValue) Set(v string) error { *l = append(*l, v); return nil }
func (l *listValue) String() string     { return strings.Join(*l, ",") }
func (l *listValue) Type() string       { return "list" }

// takes says in the help what a flag takes (--memory SIZE), and completes it
// in the shell where that is a choice (table|json) or a folder.
func takes(cmd *cobra.Command, name, what string) {
	f := cmd.Flags().Lookup(name)
	f.Value = described{f.Value, what}
	if f.DefValue == "[]" {
		f.DefValue = ""
	}
	complete := cobra.NoFileCompletions
	switch {
	case what == "DIR":
		complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case what == "PATH", what == "URI":
		return // files, as ever
	case strings.Contains(what, "|"):
		complete = cobra.FixedCompletions(strings.Split(what, "|"), cobra.ShellCompDirectiveNoFileComp)
	}
	// It fails for a flag that does not exist or was registered before only.
	_ = cmd.RegisterFlagCompletionFunc(name, complete)
}

// described is the value of a flag with another word for what it takes.
type described struct {
	pflag.Value
	what string
}

func (d described) Type() string { return d.what }

// loadSettings merges flags, environment, kalla.yaml and defaults, in this
// order of precedence, and checks every value.
func loadSettings(env Env, p program, flags *pflag.FlagSet) (*settings, error) {
	file, err := readConfigFile(filepath.Join(env.Dir, configFile))
	if err != nil {
		return nil, err
	}
	s := &settings{merged: koanf.New("."), origins: map[string]string{}}
	// The weakest layer first: each overwrites the ones before it.
	layers := []func(setting) (value, origin string){
		func(spec setting) (string, string) { return p.fallback(spec), "default" },
		func(spec setting) (string, string) {
			v, ok := file[spec.key]
			if !ok {
				return "", ""
			}
			return v, configFile
		},
		func(spec setting) (string, string) {
			for _, name := range spec.env {
				if v, ok := env.LookupEnv(name); ok && v != "" {
					return v, name
				}
			}
			return "", ""
		},
		func(spec setting) (string, string) {
			if f := flags.Lookup(spec.flag); spec.flag != "" && f != nil && f.Changed {
				return f.Value.String(), "--" + spec.flag
			}
			return "", ""
		},
	}
	for _, layer := range layers {
		values := map[string]any{}
		for _, spec := range settingSpecs {
			v, origin := layer(spec)
			if origin == "" || !p.has(spec) {
				continue
			}
			if spec.key == keyLog {
				v = strings.ToLower(v)
			}
			if spec.check != nil && v != "" {
				if err := spec.check(v); err != nil {
					return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading settings", Where: settingPlace(spec, origin), Err: err}
				}
			}
			values[spec.key] = v
			s.origins[spec.key] = origin
		}
		if err := s.merged.Load(confmap.Provider(values, ""), nil); err != nil {
			return nil, &kalla.Error{Code: kalla.CodeInternal, Op: "reading settings", Err: err}
		}
	}
	return s, nil
}

// settingPlace names where a value was written.
func settingPlace(spec setting, origin string) string {
	if origin == configFile {
		return configFile + ": " + spec.key
	}
	return origin
}

// readConfigFile reads the scalars of kalla.yaml; no file means no values.
func readConfigFile(path string) (map[string]string, error) {
	const op = "reading settings"
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: configFile, Err: err}
	}
	tree, err := yaml.Parser().Unmarshal(data)
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: configFile,
			Why: strings.TrimPrefix(err.Error(), "yaml: "), Hint: "it is a list of lines such as  memory: 4GB"}
	}
	var keys, lists, secrets []string
	for _, s := range settingSpecs {
		keys = append(keys, s.key)
		if s.mask != nil {
			secrets = append(secrets, s.key)
		}
		if s.list {
			lists = append(lists, s.key)
		}
	}
	out := map[string]string{}
	for key, v := range tree {
		if slices.Contains(secrets, key) && openToOthers(path) {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: configFile + ": " + key, Why: "others on this machine may read the file", Hint: "chmod 600 " + configFile}
		}
		if !slices.Contains(keys, key) {
			hint := "settings: " + strings.Join(keys, ", ")
			if near := nearest(key, keys); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: configFile, Why: fmt.Sprintf("there is no setting %q", key), Hint: hint}
		}
		if several, ok := v.([]any); ok && slices.Contains(lists, key) {
			texts := make([]string, len(several))
			for i, x := range several {
				texts[i] = fmt.Sprint(x)
			}
			out[key] = strings.Join(texts, ",")
			continue
		}
		switch v.(type) {
		case map[string]any, []any, nil:
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: configFile + ": " + key, Why: "the value is not a text or a number"}
		}
		out[key] = fmt.Sprint(v)
	}
	return out, nil
}

func (s *settings) get(key string) string { return s.merged.String(key) }

// all are the values of a list.
func (s *settings) all(key string) []string {
	values := strings.Split(s.get(key), ",")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

// limits are the bounds of the engine. The values were checked when they were read.
func (c *command) limits() engine.Limits {
	l := engine.Limits{TempDir: c.path(c.settings.get(keyTempDir)), Extensions: c.path(c.settings.get(keyExtensions))}
	l.Memory, _ = parseBytes(c.settings.get(keyMemory))
	l.Threads, _ = strconv.Atoi(c.settings.get(keyThreads))
	return l
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(values, v) {
			return nil
		}
		return fmt.Errorf("%q is not one of %s", v, strings.Join(values, ", "))
	}
}

func checkThreads(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 4096 {
		return fmt.Errorf("%q is not a number of threads from 1 to 4096", v)
	}
	return nil
}

func checkJobs(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 256 {
		return fmt.Errorf("%q is not a number of jobs from 1 to 256", v)
	}
	return nil
}

func checkPort(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q is not a port from 0 to 65535", v)
	}
	return nil
}

func checkGrace(v string) error {
	if d, err := time.ParseDuration(v); err != nil || d < 0 || d > 24*time.Hour {
		return fmt.Errorf("%q is not a duration such as 30s or 5m", v)
	}
	return nil
}

// parseBytes reads "4GB" (powers of ten), "4GiB" (powers of two) or a plain
// number of bytes; empty gives 0.
func parseBytes(v string) (int64, error) {
	if v == "" {
		return 0, nil
	}
	bad := fmt.Errorf("%q is not a size such as 512MB or 4GiB", v)
	text := strings.ToUpper(strings.ReplaceAll(v, " ", ""))
	digits := strings.TrimRight(text, "KMGTIB")
	unit := text[len(digits):]
	factors := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
	factor, ok := factors[unit]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !ok || n <= 0 || n*factor >= 1<<62 || n*factor < 1 {
		return 0, bad
	}
	return int64(n * factor), nil
}

// openToOthers reports whether other users of this machine may read or write a file.
func openToOthers(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}
