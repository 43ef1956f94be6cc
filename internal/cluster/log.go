package cluster

import (
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// logLine is a line of Trino's log.
type logLine struct {
	level   slog.Level
	message string
	logger  string
	stack   string
}

// parseLogLine reads what Trino writes: a JSON object for each entry, and
// before its log is set up, lines of the JVM.
func parseLogLine(line string) logLine {
	var entry struct {
		Level, Logger, Message, StackTrace string
	}
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &entry) != nil {
		level := slog.LevelDebug
		if strings.HasPrefix(line, "Error") || strings.Contains(line, "OutOfMemoryError") {
			level = slog.LevelError
		}
		return logLine{level: level, message: line, logger: "jvm"}
	}
	out := logLine{level: slog.LevelDebug, message: entry.Message, logger: entry.Logger, stack: entry.StackTrace}
	switch entry.Level {
	case "ERROR":
		out.level = slog.LevelError
	case "WARN":
		out.level = slog.LevelWarn
	}
	return out
}

func (l logLine) attrs(node string) []slog.Attr {
	out := []slog.Attr{slog.String("node", node), slog.String("logger", l.logger)}
	if l.stack != "" {
		out = append(out, slog.String("stack", l.stack))
	}
	return out
}

// lastWords are the errors that a process wrote last, in case it ends.
type lastWords struct {
	mu    sync.Mutex
	words []string
}

// fault is a numbered line of a report of what is wrong with a configuration.
var fault = regexp.MustCompile(`(?m)^\d+\) (.+)$`)

func (l *lastWords) add(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := fault.FindStringSubmatch(message); found != nil {
		message = found[1]
	}
	first, _, _ := strings.Cut(message, "\n")
	if l.words = append(l.words, first); len(l.words) > 3 {
		l.words = l.words[1:]
	}
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.words, "; ")
}
