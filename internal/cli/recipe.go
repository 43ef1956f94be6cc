package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/match"
	"kalla/internal/recipe"
)

func (c *command) recipeCommand() *cobra.Command {
	return group("recipe", "Draft, check, explain and compare recipes",
		c.recipeInit(), c.recipeValidate(), c.recipeExplain(), c.recipeDiff(), c.recipeSchema())
}

func (c *command) recipeValidate() *cobra.Command {
	var params []string
	var sources bool
	cmd := &cobra.Command{
		Use:   "validate RECIPE",
		Short: "Find everything that is wrong with a recipe",
		Long: `Finds every fault of a recipe at once, each with its line and what to write instead. With --sources
it also looks at both sources: whether the columns exist, whether their types fit, and whether SQL
texts may run. RECIPE is a file,
or - for standard input.`,
		Args: exactArgs("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := parseParams(params)
			if err != nil {
				return err
			}
			doc, err := c.loadRecipe(args[0])
			if err != nil {
				return err
			}
			checked := "the recipe is valid"
			switch {
			case sources:
				_, err = c.compile(cmd.Context(), doc, values, c.recipeDir(args[0]))
				checked += ", and its sources fit"
			case len(values) > 0:
				_, err = doc.Bind(values)
			default:
				if faults := doc.Validate(); len(faults) > 0 {
					err = invalid(doc, faults)
				}
			}
			if err != nil {
				return err
			}
			w := &stickyWriter{w: c.env.Stdout}
			fmt.Fprintf(w, "%s: %s\n", printable(doc.Name()), checked)
			return w.failure()
		},
	}
	cmd.Flags().StringArrayVar(&params, "param", nil, "value of a parameter; may be repeated")
	takes(cmd, "param", "NAME=VALUE")
	cmd.Flags().BoolVar(&sources, "sources", false, "look at the sources as well")
	return cmd
}

func (c *command) recipeExplain() *cobra.Command {
	var params []string
	var format string
	var withSQL bool
	cmd := &cobra.Command{
		Use:   "explain RECIPE",
		Short: "Say in words what a recipe does, or show its SQL",
		Long: `Says in words what the sources are, what each pass matches, and what is checked on the matches.
With --sql it prints the statements that a run executes, in order; for that it looks at the columns of
the sources.`,
		Args: exactArgs("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			values, err := parseParams(params)
			if err != nil {
				return err
			}
			doc, err := c.loadRecipe(args[0])
			if err != nil {
				return err
			}
			if withSQL {
				plan, err := c.compile(cmd.Context(), doc, values, c.recipeDir(args[0]))
				if err != nil {
					return err
				}
				return c.printSQL(plan.SQL(), format)
			}
			r, faults := doc.Draft(values)
			if len(faults) > 0 {
				return invalid(doc, faults)
			}
			return c.printWords(r, format)
		},
	}
	cmd.Flags().StringArrayVar(&params, "param", nil, "value of a parameter; may be repeated")
	takes(cmd, "param", "NAME=VALUE")
	cmd.Flags().BoolVar(&withSQL, "sql", false, "print the SQL statements instead")
	addFormat(cmd, &format)
	return cmd
}

func (c *command) printWords(r *kalla.Recipe, format string) error {
	sentences := recipe.Explain(r)
	return c.output(format, sentences, func(w io.Writer, p palette) {
		heading := p.bold(printable(r.ID))
		if r.Name != "" {
			heading = p.bold(printable(r.Name)) + "  " + p.dim(printable(r.ID))
		}
		fmt.Fprintln(w, heading)
		for _, s := range sentences {
			fmt.Fprintln(w)
			writeParagraph(w, printable(s.Text), c.env.Width)
		}
	})
}

func (c *command) printSQL(steps []match.Exec, format string) error {
	type step struct {
		Name string `json:"name"`
		SQL  string `json:"sql"`
	}
	out := make([]step, len(steps))
	for i, s := range steps {
		out[i] = step{s.Name, s.SQL}
	}
	return c.output(format, out, func(w io.Writer, p palette) {
		for i, s := range out {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintln(w, p.dim("-- "+printable(s.Name)))
			for line := range strings.SplitSeq(strings.TrimRight(s.SQL, "\n ;"), "\n") {
				fmt.Fprintln(w, printable(line))
			}
		}
	})
}

func (c *command) recipeDiff() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what changed between two versions of a recipe",
		Long: `Says what changed in the terms of the recipe: a pass, a tolerance, a filter. What is only written
differently and means the same is no change.`,
		Args: exactArgs("OLD", "NEW"),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := c.draft(args[0], nil)
			if err != nil {
				return err
			}
			after, err := c.draft(args[1], nil)
			if err != nil {
				return err
			}
			changes := recipe.Diff(before, after)
			if changes == nil {
				changes = []recipe.Change{}
			}
			return c.output(format, changes, func(w io.Writer, p palette) {
				if len(changes) == 0 {
					fmt.Fprintln(w, "no change")
				}
				for _, ch := range changes {
					fmt.Fprintln(w, "  "+printable(ch.String()))
				}
			})
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// draft reads a recipe whose required parameters may be without value.
func (c *command) draft(file string, params map[string]string) (*kalla.Recipe, error) {
	doc, err := c.loadRecipe(file)
	if err != nil {
		return nil, err
	}
	r, faults := doc.Draft(params)
	if len(faults) > 0 {
		return nil, invalid(doc, faults)
	}
	return r, nil
}

// writeParagraph breaks a text into lines of the terminal's width, 100 at most.
func writeParagraph(w io.Writer, text string, termWidth int) {
	limit := 100
	if termWidth > 20 {
		limit = min(limit, termWidth)
	}
	for line := range strings.SplitSeq(ansi.Wordwrap(text, limit-2, ""), "\n") {
		fmt.Fprintln(w, "  "+line)
	}
}

func (c *command) recipeSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of recipes, for editors",
		Args:  exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			w := &stickyWriter{w: c.env.Stdout}
			_, _ = w.Write(recipe.Schema())
			return w.failure()
		},
	}
}

func invalid(doc *recipe.Document, faults kalla.Faults) error {
	return &kalla.Error{Code: kalla.CodeRecipe, Op: "checking recipe", Where: doc.Name(), Err: faults}
}

// recipeDir is what relative paths of a recipe are relative to.
func (c *command) recipeDir(file string) string {
	if file == "-" {
		return c.env.Dir
	}
	return filepath.Dir(c.path(file))
}

// compile checks a recipe against the columns of its sources and compiles it.
func (c *command) compile(ctx context.Context, doc *recipe.Document, params map[string]string, base string) (*match.Plan, error) {
	r, err := doc.Bind(params)
	if err != nil {
		return nil, err
	}
	plan, err := app.Check(ctx, app.Job{
		Recipe: r, Document: doc, BaseDir: base, Limits: c.limits(), LookupEnv: c.env.LookupEnv,
	})
	return plan, inFile(err, doc)
}

// inFile gives faults the name of the file that they are in, so that its lines can be shown.
func inFile(err error, doc *recipe.Document) error {
	var faults kalla.Faults
	if errors.As(err, &faults) {
		return invalid(doc, faults)
	}
	return err
}
