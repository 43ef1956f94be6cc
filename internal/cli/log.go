package cli

import "log/slog"

// logger writes to stderr what the settings ask for.
func (c *command) logger() *slog.Logger {
	levels := map[string]slog.Level{
		"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warn": slog.LevelWarn, "error": slog.LevelError, "off": slog.LevelError + 4,
	}
	options := &slog.HandlerOptions{Level: levels[c.settings.get(keyLog)]}
	if c.settings.get(keyLogFormat) == "json" {
		return slog.New(slog.NewJSONHandler(c.env.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(c.env.Stderr, options))
}
