package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/infer"
	"kalla/internal/source"
)

func (c *command) recipeInit() *cobra.Command {
	var draft draftOptions
	cmd := &cobra.Command{
		Use:   "init LEFT RIGHT",
		Short: "Draft a recipe from what the records of two sources show",
		Long: `Reads both sources whole and drafts a recipe: keys, the columns that belong together, tolerances,
windows of dates, and passes, each with what speaks for it and against. No model is asked: the same
sources give the same draft.

The recipe goes to standard output, or to the file of -o; what speaks for it goes to standard error as a table,
and stands in the recipe as comments.

--examples names a JSON file with pairs of records that are known to belong together, or not to. The draft is changed
until it agrees with them, and says what each changed. Records are named by columns that find them:

  [{"left": {"invoice": "INV-1"}, "right": {"payment": "P-7"}, "match": true}]

LEFT and RIGHT are URIs. ` + strings.TrimPrefix(sourceHelp, "URI is "),
		Example: `  kalla recipe init invoices.csv payments.csv -o recipe.yaml
  kalla run recipe.yaml`,
		Args: exactArgs("LEFT", "RIGHT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.initRecipe(cmd.Context(), args[0], args[1], draft)
		},
	}
	cmd.Flags().StringVarP(&draft.out, "output", "o", "", "file to write the recipe to")
	takes(cmd, "output", "PATH")
	cmd.Flags().BoolVar(&draft.force, "force", false, "overwrite the file")
	cmd.Flags().StringVar(&draft.examples, "examples", "", "JSON file with pairs of records that belong together, or do not")
	takes(cmd, "examples", "PATH")
	return cmd
}

type draftOptions struct {
	out      string // empty means standard output
	force    bool
	examples string // a file, or empty
}

func (c *command) initRecipe(ctx context.Context, left, right string, o draftOptions) error {
	file := c.path(o.out)
	if o.out != "" && !o.force {
		if _, err := os.Stat(file); err == nil {
			return alreadyThere(o.out)
		}
	}
	dir := c.env.Dir
	if o.out != "" {
		dir = filepath.Dir(file)
	}
	var inputs [2]engine.Input
	var uris [2]string
	for i, uri := range []string{left, right} {
		in, err := c.inputOf(uri, nil)
		if err != nil {
			return err
		}
		in.Alias = ""
		if uris[i], err = c.uriFrom(dir, uri, in.Source); err != nil {
			return err
		}
		inputs[i] = in
	}
	guidance, err := c.examples(o.examples)
	if err != nil {
		return err
	}
	session, err := app.OpenEngine(ctx, c.limits())
	if err != nil {
		return err
	}
	defer session.Close()
	p, err := infer.Draft(ctx, session, inputs[0], inputs[1], guidance)
	if err != nil {
		return err
	}
	p.Recipe.Sources.Left.URI, p.Recipe.Sources.Right.URI = uris[0], uris[1]
	data, err := p.YAML()
	if err != nil {
		return err
	}
	w := &stickyWriter{w: c.env.Stderr}
	writeEvidence(w, c.palette(c.env.StderrTerminal), p, c.env.Width)
	if o.out == "" {
		w := &stickyWriter{w: c.env.Stdout}
		_, _ = w.Write(data)
		return w.failure()
	}
	if err := writeRecipe(file, data, o.force); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return alreadyThere(o.out)
		}
		return &kalla.Error{Code: kalla.CodeUsage, Op: "writing recipe", Where: o.out, Hint: "choose a folder that is there and can be written", Err: err}
	}
	stdout := &stickyWriter{w: c.env.Stdout}
	fmt.Fprintf(stdout, "wrote %s\n\n  kalla run %s\n", printable(o.out), shellQuote(o.out))
	return stdout.failure()
}

// examples reads what a person has said of pairs of records.
func (c *command) examples(name string) (infer.Guidance, error) {
	if name == "" {
		return infer.Guidance{}, nil
	}
	fault := func(why string, err error) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "reading examples", Where: name, Why: why, Err: err,
			Hint: `write a list like [{"left": {"invoice": "INV-1"}, "right": {"payment": "P-7"}, "match": true}]`}
	}
	f, err := os.Open(c.path(name))
	if err != nil {
		return infer.Guidance{}, fault("", err)
	}
	defer f.Close()
	var list []infer.Example
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return infer.Guidance{}, fault("it is not such a list: "+strings.TrimPrefix(err.Error(), "json: "), err)
	}
	for i, e := range list {
		if len(e.Left) == 0 || len(e.Right) == 0 {
			return infer.Guidance{}, fault(fmt.Sprintf("example %d names no record of one side", i+1), nil)
		}
	}
	return infer.Guidance{Examples: list}, nil
}

func alreadyThere(out string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: "writing recipe", Where: out, Why: "the file is there already", Hint: "choose another one with -o, or overwrite it with --force"}
}

// writeRecipe writes a new file, or one anew when it may be overwritten.
func writeRecipe(file string, data []byte, overwrite bool) error {
	flag := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if overwrite {
		flag = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	f, err := os.OpenFile(file, flag, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// uriFrom is a URI as a recipe in the folder dir writes it: files relative to
// it. A URI that holds a credential is refused, since it would stand in the recipe.
func (c *command) uriFrom(dir, uri string, src source.Source) (string, error) {
	for _, secret := range src.Secrets() {
		if strings.Contains(uri, secret) {
			return "", usage(src.Redact(uri), "the URI holds a credential, which would stand in the recipe", "put it into the environment and write ${NAME} in its place, the URI in single quotes")
		}
	}
	path, options, found := strings.Cut(uri, "?")
	plain := src.Type == source.File && !strings.Contains(uri, ":") && !strings.Contains(uri, "${")
	if !plain || filepath.IsAbs(path) || dir == c.env.Dir {
		return uri, nil
	}
	relative, err := filepath.Rel(dir, c.path(path))
	if err != nil {
		return "", usage(uri, "there is no way from the folder of the recipe to the file", "give its whole path")
	}
	if found {
		relative += "?" + options
	}
	return filepath.ToSlash(relative), nil
}

// writeEvidence prints what speaks for each part of a draft.
func writeEvidence(w io.Writer, p palette, draft *infer.Proposal, termWidth int) {
	limit := 100
	if termWidth > 40 {
		limit = termWidth
	}
	wrap := func(indent, text string, style func(string) string) {
		for line := range strings.SplitSeq(ansi.Wordwrap(printable(text), limit-len(indent), ""), "\n") {
			fmt.Fprintln(w, indent+style(strings.TrimRight(line, " ")))
		}
	}
	plain := func(s string) string { return s }
	for _, e := range draft.Evidence {
		fmt.Fprintln(w, "  "+p.dim(e.Path))
		wrap("    ", e.What, p.bold)
		wrap("      ", e.Support, plain)
		for _, x := range e.CounterExamples {
			wrap("      ", "but "+x, p.dim)
		}
	}
	for _, l := range draft.Lessons {
		fmt.Fprintln(w, "  "+p.dim(fmt.Sprintf("example %d: %s", l.Example+1, strings.ReplaceAll(string(l.Verdict), "_", " "))))
		wrap("    ", l.Text, plain)
	}
	fmt.Fprintln(w)
	g := newGrid(toLeft, toRight, toRight, toRight)
	g.row("", p.dim("records"), p.dim("matched"), p.dim("left over"))
	for _, s := range []struct {
		alias string
		n     infer.Coverage
	}{{draft.Recipe.Sources.Left.Alias, draft.Left}, {draft.Recipe.Sources.Right.Alias, draft.Right}} {
		g.row(name(s.alias), number(s.n.Total), p.good(number(s.n.Matched)), number(s.n.Total-s.n.Matched))
	}
	g.write(w)
	fmt.Fprintln(w)
}
