// Package cli is the command line: commands, flags, and how results, progress
// and errors look. Everything of the operating system comes in through Env, so
// that every command can be run inside a test.
package cli

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kalla"
)

// Env is the world of one invocation.
type Env struct {
	Args      []string // without the program's name
	Stdin     io.Reader
	Stdout    io.Writer // results
	Stderr    io.Writer // progress and errors
	LookupEnv func(name string) (string, bool)
	Dir       string // the working directory, absolute
	Now       func() time.Time
	OpenURL   func(url string) error // in the user's browser

	StdoutTerminal bool // colours
	StderrTerminal bool // bars
	Width          int  // columns of the terminal; 0 means unknown
}

// Main runs one command of kalla and returns its exit code. Cancelling ctx ends
// it within about a second with code 130.
func Main(ctx context.Context, env Env) int {
	c := &command{env: env, program: kallaProgram}
	return c.execute(ctx, c.root())
}

func (c *command) execute(ctx context.Context, root *cobra.Command) int {
	env := c.env
	root.SilenceErrors, root.SilenceUsage, root.Args = true, true, groupArgs
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		c.started = true
		c.settings, err = loadSettings(c.env, c.program, cmd.Flags())
		return err
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetFlagErrorFunc(flagError)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	err = c.classify(ctx, ran, err)
	c.printError(err)
	return kalla.CodeOf(err).ExitCode()
}

// command is one invocation: the world and the settings that hold in it.
type command struct {
	env      Env
	program  program
	settings *settings
	started  bool // flags and arguments were right; errors from here on are not about usage
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kalla",
		Short: "Reconcile two sources of records, and prove it",
		Long: `Kalla compares two sources of records by the rules of a recipe, finds what belongs
together, says of everything else why it stays open, and proves that no record was lost.

  kalla demo                       a small data set, reconciled
  kalla up                         the app, on this machine
  kalla run recipe.yaml            your own`,
	}
	root.AddCommand(
		c.demoCommand(), c.upCommand(), c.runCommand(), c.recipeCommand(), c.sourceCommand(), c.evidenceCommand(),
		c.serveCommand(), c.mcpCommand(), c.userCommand(), c.backupCommand(), c.restoreCommand(), c.healthCommand("http://localhost:3000/readyz"), c.configCommand(), c.versionCommand(),
	)
	return root
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: groupArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	g.AddCommand(children...)
	return g
}

// path makes a path from the command line absolute.
func (c *command) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.env.Dir, p)
}

// shorten writes a path as people would type it from the working directory.
func (c *command) shorten(p string) string {
	rel, err := filepath.Rel(c.env.Dir, p)
	if err != nil || !filepath.IsLocal(rel) {
		return p
	}
	return rel
}
