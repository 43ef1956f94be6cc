package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kalla"
)

func usage(where, why, hint string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: "reading the command line", Where: where, Why: why, Hint: hint}
}

// flagError turns a complaint of the flag parser into a usage error that names
// the nearest flag.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	hint := "see " + cmd.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = "did you mean --" + near + "?"
		}
	}
	return usage("", strings.TrimSpace(err.Error()), hint)
}

// exactArgs demands arguments by name, so that the error can say which one is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage("", "missing argument "+names[len(args)], "usage: "+cmd.UseLine())
		case len(args) > len(names):
			return usage("", fmt.Sprintf("unexpected argument %q", args[len(names)]), "usage: "+cmd.UseLine())
		}
		return nil
	}
}

// groupArgs refuses an unknown command below a group and names the nearest.
func groupArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	hint := "commands: " + strings.Join(names, ", ")
	if near := nearest(args[0], names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", cmd.CommandPath()+" "+near)
	}
	return usage("", fmt.Sprintf("unknown command %q", cmd.CommandPath()+" "+args[0]), hint)
}

// nearest returns the candidate that is at most two edits, and about half its
// length, away from what was typed, or that continues it.
func nearest(typed string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range candidates {
		d := editDistance(typed, c)
		if len(typed) >= 2 && strings.HasPrefix(c, typed) {
			d = 1
		}
		if d < bestDistance && 2*d <= len(c)+1 {
			best, bestDistance = c, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// classify gives every error a class: what fails before a command starts is
// usage, and what fails because the run was cancelled is that.
func (c *command) classify(ctx context.Context, cmd *cobra.Command, err error) error {
	var known *kalla.Error
	var faults kalla.Faults
	switch {
	case ctx.Err() != nil && kalla.CodeOf(err) != kalla.CodeTarget:
		return &kalla.Error{Code: kalla.CodeCanceled, Op: "cancelled", Err: err, Why: "nothing was published, temporary files are removed"}
	case errors.As(err, &known):
		return err
	case errors.As(err, &faults):
		return &kalla.Error{Code: kalla.CodeRecipe, Op: "reading recipe", Err: err}
	case !c.started:
		return usage("", strings.TrimSpace(err.Error()), "see "+cmd.CommandPath()+" --help")
	}
	return &kalla.Error{Code: kalla.CodeInternal, Op: cmd.CommandPath(), Err: err}
}

// printError writes an error for people: what, where, why, and what to do.
func (c *command) printError(err error) {
	p := c.palette(c.env.StderrTerminal)
	out := bufio.NewWriter(c.env.Stderr)
	defer out.Flush()

	var faults kalla.Faults
	var e *kalla.Error
	_ = errors.As(err, &e)
	if errors.As(err, &faults) {
		c.printFaults(out, p, e, faults)
		return
	}
	fmt.Fprintf(out, "%s %s\n", p.bad("error:"), printable(err.Error()))
	if e != nil && e.Hint != "" {
		fmt.Fprintf(out, "  %s %s\n", p.accent("hint:"), printable(e.Hint))
	}
}

// printFaults lists what is wrong with a recipe, each with its line.
func (c *command) printFaults(out *bufio.Writer, p palette, e *kalla.Error, faults kalla.Faults) {
	file := ""
	if e != nil {
		file = e.Where
	}
	lines := sourceLines(c.path(file))
	count := "1 fault"
	if len(faults) != 1 {
		count = fmt.Sprintf("%d faults", len(faults))
	}
	name := file
	if name == "" {
		name = "the recipe"
	}
	fmt.Fprintf(out, "%s %s is not valid: %s\n", p.bad("error:"), printable(name), count)
	for _, f := range faults {
		where := file
		if f.Line > 0 {
			where += fmt.Sprintf(":%d", f.Line)
			if f.Column > 0 {
				where += fmt.Sprintf(":%d", f.Column)
			}
		}
		parts := make([]string, 0, 3)
		for _, s := range []string{where, f.Path, f.Problem} {
			if s != "" {
				parts = append(parts, printable(s))
			}
		}
		fmt.Fprintf(out, "\n  %s\n", strings.Join(parts, ": "))
		if f.Line > 0 && f.Line <= len(lines) {
			text := lines[f.Line-1]
			fmt.Fprintf(out, "  %s %s\n", p.dim(fmt.Sprintf("%5d │", f.Line)), printable(clip(text, 100)))
			if f.Column > 0 && f.Column <= len(text)+1 && f.Column <= 100 {
				fmt.Fprintf(out, "  %s %s%s\n", p.dim("      │"), strings.Repeat(" ", width(printable(text[:f.Column-1]))), p.bad("^"))
			}
		}
		if f.Hint != "" {
			fmt.Fprintf(out, "  %s %s\n", p.accent("hint:"), printable(f.Hint))
		}
	}
}

// sourceLines reads a recipe again to show its lines; nil where that is not possible.
func sourceLines(path string) []string {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
}
