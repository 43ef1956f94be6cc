package cli

import (
	"io"
	"log/slog"
)

// logger writes to stderr what the settings ask for.
func (c *command) logger() *slog.Logger { return c.loggerTo(c.env.Stderr, slog.LevelWarn) }

// loggerTo writes what the settings ask for, or from the given level on where they ask for nothing.
func (c *command) loggerTo(w io.Writer, level slog.Level) *slog.Logger {
	levels := map[string]slog.Level{
		"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warn": slog.LevelWarn, "error": slog.LevelError, "off": slog.LevelError + 4,
	}
	if c.settings.origins[keyLog] != "default" || c.program == kalladProgram {
		level = levels[c.settings.get(keyLog)]
	}
	options := &slog.HandlerOptions{Level: level}
	if c.settings.get(keyLogFormat) == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
