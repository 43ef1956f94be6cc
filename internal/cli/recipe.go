package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

func (c *command) recipeCommand() *cobra.Command {
	return group("recipe", "Check, explain and compare recipes",
		c.recipeValidate(), c.recipeSchema())
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
	cmd.Flags().StringArrayVar(&params, "param", nil, "value of a parameter, name=value; may be repeated")
	cmd.Flags().BoolVar(&sources, "sources", false, "look at the sources as well")
	return cmd
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

// describe returns the columns of both sources as a run would see them, the
// derived ones left out.
func (c *command) describe(ctx context.Context, r *kalla.Recipe, base string) (left, right kalla.Schema, err error) {
	session, err := app.OpenEngine(ctx, c.limits())
	if err != nil {
		return nil, nil, err
	}
	defer session.Close() //nolint:errcheck // nothing was written through it
	schemas := make([]kalla.Schema, 2)
	for i, s := range []kalla.Source{r.Sources.Left, r.Sources.Right} {
		src, err := source.Parse(s.URI, s.Options, base, c.lookupEnv)
		if err != nil {
			return nil, nil, err
		}
		in := engine.Input{Table: s.Alias, Alias: s.Alias, Source: src, Types: s.Types}
		if schemas[i], err = session.Describe(ctx, in); err != nil {
			return nil, nil, err
		}
	}
	return schemas[0], schemas[1], nil
}
