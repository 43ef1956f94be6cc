package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"kalla/internal/app"
	"kalla/internal/source"
)

// shownSetting is one line of kalla config.
type shownSetting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // flag, environment variable, kalla.yaml, default
	Secret bool   `json:"secret,omitempty"`
	Help   string `json:"description"`
}

func (c *command) configCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value, and where it came from",
		Long: `Settings come from flags, then environment variables, then ` + configFile + ` in the working
directory, then defaults. Secrets are masked.`,
		Args: exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			shown := c.shownSettings()
			return c.output(format, shown, func(w io.Writer, p palette) {
				g := newGrid(toLeft, toLeft, toLeft, toLeft)
				g.row(p.dim("setting"), p.dim("value"), p.dim("from"), "")
				for _, s := range shown {
					value := printable(s.Value)
					if value == "" {
						value = p.dim("-")
					}
					g.row(p.bold(s.Key), value, s.Origin, p.dim(s.Help))
				}
				g.maxWidth = c.env.Width
				g.write(w)
			})
		},
	}
	var keys []string
	for _, s := range settingSpecs {
		if c.program.has(s) {
			keys = append(keys, s.key)
		}
	}
	addSettingFlags(cmd, keys...)
	addFormat(cmd, &format)
	return cmd
}

// shownSettings lists the settings, then what sources take from the environment.
func (c *command) shownSettings() []shownSetting {
	var out []shownSetting
	for _, s := range settingSpecs {
		if !c.program.has(s) {
			continue
		}
		value := c.settings.get(s.key)
		if s.mask != nil && value != "" {
			value = s.mask(value)
		}
		out = append(out, shownSetting{Key: s.key, Value: value, Origin: c.settings.origins[s.key], Secret: s.mask != nil, Help: s.help})
	}
	if c.program == kalladProgram { // whose jobs take nothing from the environment by themselves
		return out
	}
	seen := map[string]bool{}
	for _, t := range source.Types() {
		for _, f := range source.Fields(t) {
			if f.Env == "" || seen[f.Env] {
				continue
			}
			seen[f.Env] = true
			s := shownSetting{Key: f.Env, Origin: "default", Value: f.Default, Secret: f.Secret, Help: string(t) + ": " + f.Description}
			if v, ok := c.env.LookupEnv(f.Env); ok {
				s.Value, s.Origin = v, "environment"
				if f.Secret && v != "" {
					s.Value = "***"
				}
			}
			out = append(out, s)
		}
	}
	return out
}

func (c *command) versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version  string `json:"version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{app.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return c.output(format, v, func(w io.Writer, _ palette) {
				fmt.Fprintf(w, "%s %s (%s, %s)\n", c.program, v.Version, v.Go, v.Platform)
			})
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// addFormat gives a command --format table|json.
func addFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "table", "how the result is written")
	takes(cmd, "format", "table|json")
}

// checkFormat is for commands that work long before they print.
func checkFormat(format string) error {
	if err := oneOf("table", "json")(format); err != nil {
		return usage("--format", err.Error(), "")
	}
	return nil
}

// output prints a result: as JSON, or as table writes it.
func (c *command) output(format string, v any, table func(io.Writer, palette)) error {
	if err := checkFormat(format); err != nil {
		return err
	}
	w := &stickyWriter{w: c.env.Stdout}
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(v); err != nil && w.err == nil {
			return err
		}
	} else {
		table(w, c.palette(c.env.StdoutTerminal))
	}
	return w.failure()
}
