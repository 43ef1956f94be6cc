package cli

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/app"
	"kalla/internal/mcp"
)

// apiTokenEnv holds the API token with which kalla mcp speaks to an app.
const apiTokenEnv = "KALLA_TOKEN"

func (c *command) mcpCommand() *cobra.Command {
	var server, dir, tokenFile string
	var readOnly, masked bool
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Serve the assistant's tools to other assistants (MCP)",
		Long: `Serves tools over standard input and output by the Model Context Protocol, for assistants on this
machine: they look at sources, draft and test recipes, save and run them, and explain records.

  kalla mcp                   the app that kalla up runs on this machine
  kalla mcp --server URL      another app, with the API token of KALLA_TOKEN or --token-file
  kalla mcp --dir DIR         no app: the files in a folder, and nothing else

With --dir, recipes are YAML files in the folder and evidence goes to kalla-data/runs in it, as with kalla run.
Whatever a tool shows, the assistant's model sees; with --mask tokens of the same shape stand in the place of
values, equal where those are. An app serves the same at /mcp over HTTP. How assistants are
set up: docs/mcp.md.`,
		Example: `  kalla mcp --dir ~/reconciliation
  KALLA_TOKEN=kalla_… kalla mcp --server https://kalla.example.com`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case dir != "" && server != "":
				return usage("--dir", "with --server the app says which sources there are", "give one of the two")
			case dir != "":
				return c.mcpFolder(cmd.Context(), c.path(dir), readOnly, masked)
			case readOnly:
				return usage("--read-only", "at an app the token says what may be done", "make a token with the scope read only")
			}
			return c.mcpApp(cmd.Context(), server, tokenFile, masked)
		},
	}
	cmd.Flags().StringVar(&server, "server", "", "the app to speak to: http://localhost:3000")
	takes(cmd, "server", "URL")
	cmd.Flags().StringVar(&dir, "dir", "", "folder of files to work on, without an app")
	takes(cmd, "dir", "DIR")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the API token (or "+apiTokenEnv+")")
	takes(cmd, "token-file", "PATH")
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "with --dir: leave out the tools that save and run")
	cmd.Flags().BoolVar(&masked, "mask", false, "show tokens in the place of the values of records")
	addSettingFlags(cmd, keyData, keyMemory, keyThreads, keyTempDir, keyLogFormat)
	acceptDataDir(cmd)
	return cmd
}

// mcpFolder serves what works on a folder.
func (c *command) mcpFolder(ctx context.Context, dir string, readOnly, masked bool) error {
	log := c.loggerTo(c.env.Stderr, slog.LevelWarn)
	folder, err := app.OpenFolder(ctx, app.FolderConfig{Dir: dir, Limits: c.limits(), Log: log})
	if err != nil {
		return err
	}
	tools := slices.DeleteFunc(agent.Tools(folder), func(t agent.Tool) bool {
		return t.Name == agent.ToolRequestUpload || t.Writes && readOnly
	})
	err = mcp.New(mcp.Config{Version: app.Version, Services: folder, Tools: tools, Masked: masked, Log: log}).ServeStdio(ctx, c.env.Stdin, c.env.Stdout)
	return errors.Join(err, folder.Close(ctx))
}

// mcpApp serves what an app serves: that of this machine where none is named.
func (c *command) mcpApp(ctx context.Context, server, tokenFile string, masked bool) error {
	token, _ := c.env.LookupEnv(apiTokenEnv)
	if tokenFile != "" {
		var err error
		if token, err = readPrivate(c.path(tokenFile), "--token-file"); err != nil {
			return err
		}
	}
	if server == "" {
		var own string
		if server, own = app.LocalAccess(c.path(c.settings.get(keyData))); server == "" {
			return &kalla.Error{Code: kalla.CodeUsage, Op: "looking for the app", Where: c.shorten(c.path(c.settings.get(keyData))), Why: "no kalla up runs with this data folder",
				Hint: "start kalla up, name the folder with --data or the app with --server URL, or work on files with --dir DIR"}
		}
		token = cmp.Or(token, own)
	}
	if token == "" {
		return usage(apiTokenEnv, "it is not set, and "+server+" wants an API token", "make one on the app's page Settings, with the scopes read, write and runs")
	}
	return mcp.Bridge(ctx, app.Version, server, token, masked, c.env.Stdin, c.env.Stdout)
}
