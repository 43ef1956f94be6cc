package cli

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/engine"
	"kalla/internal/source"
)

func (c *command) sourceCommand() *cobra.Command {
	return group("source", "Look at a source: its columns, first records, values",
		c.sourcePreview(), c.sourceSchema(), c.sourceProfile())
}

const sourceHelp = `URI is a file (csv, parquet, json, ndjson, xlsx; globs too), s3://, gs://, az://, https://, or a table:
postgres://host/db?table=public.invoices, mysql://…, sqlite:file.db?table=t. How a file is read can stand
behind it: 'payments.csv?delimiter=;&encoding=latin-1'. ${NAME} stands for an environment variable.`

const filterHelp = `records that count, such as 'amount>=100', 'status!=cancelled', 'status in (open, paid)', 'paid is null'; may be repeated`

func (c *command) sourcePreview() *cobra.Command {
	var filters []string
	var format string
	var limit int
	cmd := &cobra.Command{
		Use:     "preview URI",
		Short:   "Print the first records",
		Long:    "Prints the first records that pass the filters.\n\n" + sourceHelp,
		Example: `  kalla source preview payments.csv --filter 'amount>=100' --limit 5`,
		Args:    exactArgs("URI"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > 100_000 {
				return usage("--limit", fmt.Sprintf("%d is not between 1 and 100000", limit), "")
			}
			var preview struct {
				Columns kalla.Schema `json:"columns"`
				Rows    [][]*string  `json:"rows"` // values as text, null for NULL
			}
			err := c.inspect(cmd.Context(), args[0], filters, format, func(i engine.Inspector, in engine.Input) (err error) {
				preview.Columns, preview.Rows, err = i.Preview(cmd.Context(), in, limit)
				return err
			})
			if err != nil {
				return err
			}
			return c.output(format, preview, func(w io.Writer, p palette) { writeRows(w, p, preview.Columns, preview.Rows, c.env.Width) })
		},
	}
	cmd.Flags().StringArrayVar(&filters, "filter", nil, filterHelp)
	takes(cmd, "filter", "CONDITION")
	cmd.Flags().IntVar(&limit, "limit", 20, "number of records")
	takes(cmd, "limit", "N")
	addFormat(cmd, &format)
	return cmd
}

func (c *command) sourceSchema() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "schema URI",
		Short: "Print the columns and their types",
		Long:  "Prints the columns and the types that a run would give them.\n\n" + sourceHelp,
		Args:  exactArgs("URI"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var schema kalla.Schema
			err := c.inspect(cmd.Context(), args[0], nil, format, func(i engine.Inspector, in engine.Input) (err error) {
				schema, err = i.Describe(cmd.Context(), in)
				return err
			})
			if err != nil {
				return err
			}
			return c.output(format, schema, func(w io.Writer, p palette) {
				g := newGrid(toLeft, toLeft)
				g.row(p.dim("column"), p.dim("type"))
				for _, col := range schema {
					g.row(name(col.Name), col.Type.String())
				}
				g.write(w)
			})
		},
	}
	addFormat(cmd, &format)
	return cmd
}

func (c *command) sourceProfile() *cobra.Command {
	var filters []string
	var format string
	cmd := &cobra.Command{
		Use:   "profile URI",
		Short: "Count the values of every column",
		Long:  "Reads every record that passes the filters and counts the values of each column.\n\n" + sourceHelp,
		Args:  exactArgs("URI"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var profile []engine.ColumnProfile
			err := c.inspect(cmd.Context(), args[0], filters, format, func(i engine.Inspector, in engine.Input) (err error) {
				profile, err = i.Profile(cmd.Context(), in)
				return err
			})
			if err != nil {
				return err
			}
			return c.output(format, profile, func(w io.Writer, p palette) { writeProfile(w, p, profile) })
		},
	}
	cmd.Flags().StringArrayVar(&filters, "filter", nil, filterHelp)
	takes(cmd, "filter", "CONDITION")
	addFormat(cmd, &format)
	return cmd
}

// inspect reads the arguments and lends an engine that can look at the source.
func (c *command) inspect(ctx context.Context, uri string, filters []string, format string, use func(engine.Inspector, engine.Input) error) error {
	if err := checkFormat(format); err != nil {
		return err
	}
	in, err := c.inputOf(uri, filters)
	if err != nil {
		return err
	}
	session, err := app.OpenEngine(ctx, c.limits())
	if err != nil {
		return err
	}
	defer session.Close()
	return use(session, in)
}

func (c *command) inputOf(uri string, filters []string) (engine.Input, error) {
	in := engine.Input{Table: "src"}
	for _, text := range filters {
		f, err := parseFilter(text)
		if err != nil {
			return engine.Input{}, err
		}
		in.Filters = append(in.Filters, f)
	}
	src, err := source.Parse(uri, nil, c.env.Dir, c.env.LookupEnv)
	if err != nil {
		return engine.Input{}, err
	}
	in.Source, in.Alias = src, src.Location()
	return in, nil
}

var filterForm = regexp.MustCompile(`(?is)^\s*("[^"]+"|[^\s<>=!"]+)\s*(>=|<=|!=|<>|==|=|>|<|\bis\s+not\s+null\b|\bis\s+null\b|\bbetween\b|\blike\b|\bin\b)\s*(.*?)\s*$`)

var filterOps = map[string]kalla.FilterOp{
	"=": kalla.FilterEq, "==": kalla.FilterEq, "!=": kalla.FilterNeq, "<>": kalla.FilterNeq,
	">": kalla.FilterGt, ">=": kalla.FilterGte, "<": kalla.FilterLt, "<=": kalla.FilterLte,
	"in": kalla.FilterIn, "like": kalla.FilterLike, "between": kalla.FilterBetween,
	"is null": kalla.FilterIsNull, "is not null": kalla.FilterIsNotNull,
}

var betweenValues = regexp.MustCompile(`(?i)\s+and\s+`)

// parseFilter reads a filter as people type it: a column, a comparison, a
// value. Quotes around a value or a column are optional.
func parseFilter(text string) (kalla.Filter, error) {
	bad := usage("--filter", fmt.Sprintf("%q is not column, comparison, value", text), "write --filter 'amount>=100' or --filter 'status in (open, paid)'")
	m := filterForm.FindStringSubmatch(text)
	if m == nil {
		return kalla.Filter{}, bad
	}
	op := filterOps[strings.ToLower(strings.Join(strings.Fields(m[2]), " "))]
	f := kalla.Filter{Column: strings.Trim(m[1], `"`), Op: op}
	switch op {
	case kalla.FilterIsNull, kalla.FilterIsNotNull:
		if m[3] != "" {
			return kalla.Filter{}, bad
		}
		return f, nil
	case kalla.FilterIn:
		list, ok := strings.CutPrefix(m[3], "(")
		list, closed := strings.CutSuffix(list, ")")
		if !ok || !closed || strings.TrimSpace(list) == "" {
			return kalla.Filter{}, bad
		}
		for _, v := range splitList(list) {
			f.Values = append(f.Values, unquote(v))
		}
		return f, nil
	case kalla.FilterBetween:
		ends := betweenValues.Split(m[3], -1)
		if len(ends) != 2 {
			return kalla.Filter{}, bad
		}
		f.Values = []string{unquote(ends[0]), unquote(ends[1])}
		return f, nil
	}
	if m[3] == "" {
		return kalla.Filter{}, bad
	}
	f.Values = []string{unquote(m[3])}
	return f, nil
}

// splitList divides at commas that are not inside single quotes.
func splitList(s string) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '\'' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	return s
}

const valueCells = 32 // values in tables are cut to this

func writeRows(w io.Writer, p palette, schema kalla.Schema, rows [][]*string, termWidth int) {
	aligns := make([]align, len(schema))
	header := make([]string, len(schema))
	types := make([]string, len(schema))
	for i, col := range schema {
		if col.Type.Numeric() {
			aligns[i] = toRight
		}
		header[i], types[i] = p.bold(name(col.Name)), p.dim(col.Type.String())
	}
	g := newGrid(aligns...)
	g.row(header...)
	g.row(types...)
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, v := range r {
			if v == nil {
				cells[i] = p.dim("NULL")
			} else {
				cells[i] = clip(printable(*v), valueCells)
			}
		}
		g.row(cells...)
	}
	g.maxWidth = termWidth
	g.write(w)
	fmt.Fprintf(w, "\n  %s\n", p.dim(plural(int64(len(rows)), "record", "records")+", "+plural(int64(len(schema)), "column", "columns")))
}

func writeProfile(w io.Writer, p palette, profile []engine.ColumnProfile) {
	g := newGrid(toLeft, toLeft, toRight, toRight, toLeft, toLeft, toLeft)
	g.row(p.dim("column"), p.dim("type"), p.dim("null"), p.dim("distinct"), p.dim("min"), p.dim("max"), p.dim("frequent"))
	var rows int64
	for _, col := range profile {
		rows = max(rows, col.Rows)
		nulls := number(col.Nulls)
		if col.Nulls > 0 {
			nulls = p.warn(nulls)
		}
		distinct := number(col.Distinct)
		if col.Distinct == col.Rows && col.Rows > 1 {
			distinct = p.good(distinct) // could be a key
		}
		samples := slices.Clone(col.Samples)
		for i := range samples {
			samples[i] = clip(printable(samples[i]), 16)
		}
		g.row(p.bold(name(col.Column.Name)), col.Column.Type.String(), nulls, distinct, valueOr(col.Min, p), valueOr(col.Max, p), p.dim(strings.Join(samples, ", ")))
	}
	g.write(w)
	fmt.Fprintf(w, "\n  %s\n", p.dim(plural(rows, "record", "records")))
}

func valueOr(v *string, p palette) string {
	if v == nil {
		return p.dim("-")
	}
	return clip(printable(*v), 20)
}
