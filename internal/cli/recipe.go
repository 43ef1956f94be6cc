package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/recipe"
)

func (c *command) recipeCommand() *cobra.Command {
	return group("recipe", "Check, explain and compare recipes",
		c.recipeValidate(), c.recipeExplain(), c.recipeDiff(), c.recipeSchema())
}

func (c *command) recipeValidate() *cobra.Command {
	var params []string
	var sources bool
	cmd := &cobra.Command{
		Use:   "validate RECIPE",
		Short: "Find everything that is wrong with a recipe",
		Long: `Finds every fault of a recipe at once, each with its line and what to write instead. With --sources
it also looks at both sources: whether the columns exist, and whether their types fit. RECIPE is a file,
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
				err = c.checkSources(cmd.Context(), doc, values, c.recipeDir(args[0]))
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
	takes(cmd.Flags(), "param", "NAME=VALUE")
	cmd.Flags().BoolVar(&sources, "sources", false, "look at the sources as well")
	return cmd
}

func (c *command) recipeExplain() *cobra.Command {
	var params []string
	var format string
	cmd := &cobra.Command{
		Use:   "explain RECIPE",
		Short: "Say in words what a recipe does",
		Long:  "Says in words what the sources are, what each pass matches, and what is checked on the matches.",
		Args:  exactArgs("RECIPE"),
		RunE: func(_ *cobra.Command, args []string) error {
			values, err := parseParams(params)
			if err != nil {
				return err
			}
			r, err := c.draft(args[0], values)
			if err != nil {
				return err
			}
			sentences := recipe.Explain(r)
			return c.output(format, sentences, func(w io.Writer, p palette) {
				heading := r.ID
				if r.Name != "" {
					heading = r.Name + "  " + p.dim(printable(r.ID))
				}
				fmt.Fprintln(w, p.bold(heading))
				for _, s := range sentences {
					fmt.Fprintln(w)
					writeParagraph(w, printable(s.Text), c.env.Width)
				}
			})
		},
	}
	cmd.Flags().StringArrayVar(&params, "param", nil, "value of a parameter; may be repeated")
	takes(cmd.Flags(), "param", "NAME=VALUE")
	addFormat(cmd, &format)
	return cmd
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

// checkSources compares a recipe with the columns of its sources.
func (c *command) checkSources(ctx context.Context, doc *recipe.Document, params map[string]string, base string) error {
	r, err := doc.Bind(params)
	if err != nil {
		return err
	}
	left, right, err := c.describe(ctx, r, base)
	if err != nil {
		return err
	}
	if faults := recipe.Check(r, doc, left, right); len(faults) > 0 {
		return invalid(doc, faults)
	}
	return nil
}

// describe returns the columns of both sources as a run would see them.
func (c *command) describe(ctx context.Context, r *kalla.Recipe, base string) (left, right kalla.Schema, err error) {
	inputs, err := app.Inputs(r, base, c.lookupEnv)
	if err != nil {
		return nil, nil, err
	}
	session, err := app.OpenEngine(ctx, c.limits())
	if err != nil {
		return nil, nil, err
	}
	defer session.Close() //nolint:errcheck // nothing was written through it
	if left, err = session.Describe(ctx, inputs[0]); err != nil {
		return nil, nil, err
	}
	right, err = session.Describe(ctx, inputs[1])
	return left, right, err
}
