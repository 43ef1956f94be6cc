package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/evidence"
	"kalla/internal/objects"
)

func (c *command) evidenceCommand() *cobra.Command {
	return group("evidence", "Prove, show and export what a run left behind",
		c.evidenceVerify(), c.evidenceShow(), c.evidenceExport())
}

// located finds evidence by an argument, and says how it is shown: as it was typed, without credentials.
func (c *command) located(arg string) (l evidence.Location, shown string, err error) {
	l, err = evidence.Locate(c.place(arg), c.limits().TempDir, c.env.LookupEnv)
	shown = arg
	if c.place(arg) == arg {
		shown = l.String()
	}
	return l, shown, err
}

// place is a folder as an absolute path; a URI stays as it is.
func (c *command) place(p string) string {
	if objects.IsURI(p) {
		return p
	}
	return c.path(p)
}

// folders completes an argument with the names of folders.
var folders = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)

func (c *command) evidenceVerify() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Prove from the files alone that nothing was lost or changed",
		Long: `Recomputes the SHA-256 of every file, the rows, and the conservation law: each record of both
sources is in exactly one place, and counts and sums add up to what was read. It believes nothing that
the run counted. The seal is the SHA-256 of the manifest: noted elsewhere, it proves the manifest as well.`,
		Args:              exactArgs("DIR"),
		ValidArgsFunction: folders,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			l, shown, err := c.located(args[0])
			if err != nil {
				return err
			}
			var report *evidence.Report
			err = c.withEngine(cmd.Context(), func(q evidence.Querier) (err error) {
				report, err = evidence.Verify(cmd.Context(), l, q)
				return err
			})
			if err != nil {
				return err
			}
			report.Dir = shown
			if err := c.output(format, report, func(w io.Writer, p palette) { writeVerification(w, p, report) }); err != nil {
				return err
			}
			if !report.OK() {
				return &kalla.Error{Code: kalla.CodeEvidence, Op: "verifying evidence", Where: shown,
					Why:  plural(int64(len(report.Findings)), "thing is wrong", "things are wrong"),
					Hint: "do not rely on this folder; take it from a backup or run the recipe again"}
			}
			return nil
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// longNumber finds numbers that are easier to read with separators.
var longNumber = regexp.MustCompile(`\b[0-9]{4,}(?:\.[0-9]+)?\b`)

func writeVerification(w io.Writer, p palette, r *evidence.Report) {
	fmt.Fprintf(w, "%s  %s\n\n", p.bold(printable(r.Dir)), p.dim("run "+printable(r.RunID)))
	g := newGrid(toLeft, toLeft, toLeft)
	for _, check := range r.Checks {
		mark := p.good("✓")
		if !check.OK {
			mark = p.bad("✗")
		}
		g.row(mark, check.Name, p.dim(printable(longNumber.ReplaceAllStringFunc(check.Detail, thousands))))
	}
	g.write(w)
	if len(r.Findings) > 0 {
		fmt.Fprintln(w)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "  %s %s\n", p.bad("wrong:"), printable(f.String()))
	}
	verdict := p.good("proved: nothing is lost, nothing is changed")
	if !r.OK() {
		verdict = p.bad("not proved")
	}
	fmt.Fprintf(w, "\n  %s\n  %s\n", verdict, p.dim("seal "+r.Seal))
}

func (c *command) evidenceShow() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:               "show DIR",
		Short:             "Print what a run came to",
		Args:              exactArgs("DIR"),
		ValidArgsFunction: folders,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, shown, err := c.located(args[0])
			if err != nil {
				return err
			}
			m, err := evidence.Load(cmd.Context(), l)
			if err != nil {
				return err
			}
			return c.output(format, m, func(w io.Writer, p palette) {
				s := m.Summary
				s.Evidence = shown
				writeReport(w, p, &s, c.env.Width)
				writeManifest(w, p, m)
			})
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// writeManifest prints where the records came from and what the folder holds.
func writeManifest(w io.Writer, p palette, m *evidence.Manifest) {
	fmt.Fprintf(w, "  %s  %s, kalla %s\n\n", p.dim("ran     "), m.Started.UTC().Format("2006-01-02 15:04:05 UTC"), printable(m.Kalla))
	g := newGrid(toLeft, toRight, toLeft, toLeft)
	g.row(p.dim("source"), p.dim("rows"), p.dim("location"), p.dim("fingerprint"))
	for _, s := range append([]evidence.Source{m.Left, m.Right}, m.Extras...) {
		g.row(name(s.Alias), number(s.Rows), printable(s.Location), printable(s.Fingerprint))
	}
	g.write(w)
	if len(m.Parameters) > 0 {
		fmt.Fprintln(w)
		g = newGrid(toLeft, toLeft)
		g.row(p.dim("parameter"), p.dim("value"))
		for _, k := range sortedKeys(m.Parameters) {
			g.row(name(k), printable(m.Parameters[k]))
		}
		g.write(w)
	}
	fmt.Fprintln(w)
	g = newGrid(toLeft, toRight, toRight, toLeft)
	g.row(p.dim("file"), p.dim("rows"), p.dim("size"), p.dim("sha-256"))
	for _, file := range sortedKeys(m.Files) {
		f := m.Files[file]
		rows := ""
		switch {
		case strings.Contains(file, "/"):
			continue // a part
		case strings.HasSuffix(file, ".parquet"):
			rows = number(f.Rows)
		}
		g.row(printable(file), rows, bytes(f.Bytes), p.dim(f.SHA256[:min(16, len(f.SHA256))]+"…"))
	}
	for _, folder := range sortedKeys(m.Tables) {
		t, _ := m.Table(folder + ".parquet")
		var size int64
		for _, file := range t.Files {
			size += m.Files[file].Bytes
		}
		g.row(printable(folder)+"/", number(t.Rows), bytes(size), p.dim(plural(int64(len(t.Files)), "part", "parts")))
	}
	g.write(w)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (c *command) evidenceExport() *cobra.Command {
	var opts evidence.ExportOptions
	var format, out string
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Write the evidence as a spreadsheet, as CSV, or as Parquet files",
		Long: `xlsx writes one workbook: a sheet each for the summary, the matched, the unmatched and so on; amounts
are numbers, dates are dates, and what does not fit into one sheet goes on in the next.
csv and parquet write a folder with one file a table; that of parquet is evidence again.

A text that begins with = + - @ would run as a formula when a CSV file is opened in a spreadsheet; it
gets a ' in front, unless --raw is given. Workbooks hold such texts as they are: there they are texts.`,
		Example:           `  kalla evidence export kalla-data/runs/20261124-181530-5f0c2a --format xlsx -o november.xlsx`,
		Args:              exactArgs("DIR"),
		ValidArgsFunction: folders,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, _, err := c.located(args[0])
			if err != nil {
				return err
			}
			opts.Format = evidence.Format(format)
			dest := out
			if dest == "" {
				dest = filepath.Base(l.String()) + "-" + format
				if opts.Format == evidence.XLSX {
					dest = filepath.Base(l.String()) + ".xlsx"
				}
			}
			var written []string
			err = c.withEngine(cmd.Context(), func(q evidence.Querier) (err error) {
				written, err = evidence.Export(cmd.Context(), l, c.path(dest), opts, q)
				return err
			})
			if err != nil {
				return err
			}
			w := &stickyWriter{w: c.env.Stdout}
			for _, path := range written {
				fmt.Fprintln(w, c.shorten(path))
			}
			return w.failure()
		},
	}
	cmd.Flags().StringVar(&format, "format", string(evidence.XLSX), "what to write")
	cmd.Flags().StringVarP(&out, "out", "o", "", "file (xlsx) or folder (csv, parquet) to write, which must not exist (default: the name of DIR, here)")
	takes(cmd, "format", "xlsx|csv|parquet")
	takes(cmd, "out", "PATH")
	cmd.Flags().BoolVar(&opts.Raw, "raw", false, "csv: leave texts that look like formulas as they are")
	return cmd
}

// withEngine lends an engine that may read files.
func (c *command) withEngine(ctx context.Context, use func(evidence.Querier) error) error {
	session, err := app.OpenEngine(ctx, c.limits())
	if err != nil {
		return err
	}
	defer session.Close()
	return use(session)
}
