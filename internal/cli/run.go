package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kalla"
	"kalla/internal/app"
	"kalla/internal/evidence"
	"kalla/internal/recipe"
)

// runFlags are the flags of kalla run that are not settings.
type runFlags struct {
	params      []string
	left, right string
	out         string
	server      string
	failUnder   string
	format      string
	quiet       bool
}

func (c *command) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run RECIPE",
		Short: "Reconcile two sources by a recipe",
		Long: `Reads both sources of the recipe, matches them, and prints what matched, what did not, and why.
The evidence, one folder a run, holds every record and proves the counts. RECIPE is a file, or - for
standard input. Progress goes to stderr, the result to stdout.

Exit codes: 0 ran; 1 failed; 2 usage or invalid recipe; 3 ran, but under --fail-under;
4 source unreachable or unreadable; 130 cancelled.`,
		Example: `  kalla run recipe.yaml
  kalla run recipe.yaml --param tolerance=0.05 --right november.csv
  kalla run recipe.yaml --format json --fail-under 99.5% | jq .match_rate`,
		Args: exactArgs("RECIPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.server != "" {
				if err := refuseOwnLimits(cmd.Flags()); err != nil {
					return err
				}
			}
			return c.run(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.params, "param", nil, "value of a parameter of the recipe; may be repeated")
	flags.StringVar(&f.left, "left", "", "file or URI of the left source, instead of the recipe's")
	flags.StringVar(&f.right, "right", "", "file or URI of the right source, instead of the recipe's")
	flags.StringVar(&f.out, "out", "", "folder of the evidence, which must not exist (default: a new one below "+filepath.Join("kalla-data", "runs")+")")
	addSettingFlags(cmd, keyEngine, keyMemory, keyThreads, keyTempDir, keyEvidence)
	flags.StringVar(&f.server, "server", "", "have the scheduler at this URL run it; it must reach the sources, and KALLA_WORKER_TOKEN is sent")
	flags.StringVar(&f.failUnder, "fail-under", "", "exit with code 3 if the match rate is lower, such as 95%")
	addFormat(cmd, &f.format)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	for name, what := range map[string]string{"param": "NAME=VALUE", "left": "URI", "right": "URI", "out": "DIR", "server": "URL", "fail-under": "RATE"} {
		takes(cmd, name, what)
	}
	return cmd
}

func (c *command) run(ctx context.Context, file string, f runFlags) error {
	if err := checkFormat(f.format); err != nil {
		return err
	}
	target, err := parseTarget(f.failUnder)
	if err != nil {
		return err
	}
	params, err := parseParams(f.params)
	if err != nil {
		return err
	}
	doc, err := c.loadRecipe(file)
	if err != nil {
		return err
	}
	r, err := doc.Bind(params)
	if err != nil {
		return err
	}
	for _, override := range []struct {
		uri string
		src *kalla.Source
	}{{f.left, &r.Sources.Left}, {f.right, &r.Sources.Right}} {
		if override.uri != "" {
			override.src.URI, override.src.Source = c.sourceURI(override.uri), ""
		}
	}
	var summary *kalla.Summary
	if f.server != "" {
		summary, err = c.reconcileAt(ctx, f.server, doc, r, c.recipeDir(file), f.out, f.quiet)
	} else {
		summary, err = c.reconcile(ctx, doc, r, c.recipeDir(file), f.out, f.quiet)
	}
	if err != nil {
		return err
	}
	if err := c.printSummary(summary, f.format); err != nil {
		return err
	}
	if target != nil && summary.MatchRate.LessThan(*target) {
		return &kalla.Error{
			Code: kalla.CodeTarget, Op: "checking --fail-under",
			Why: fmt.Sprintf("the match rate is %s, below %s", percent(summary.MatchRate), percent(*target)),
		}
	}
	return nil
}

// reconcile runs a bound recipe; an empty out means a new folder below the evidence folder.
func (c *command) reconcile(ctx context.Context, doc *recipe.Document, r *kalla.Recipe, base, out string, quiet bool) (*kalla.Summary, error) {
	id := runID(c.env.Now())
	level := evidence.Level(c.settings.get(keyEvidence))
	if out == "" {
		out = filepath.Join(c.settings.get(keyEvidenceDir), id)
	}
	log := c.logger()
	view := c.newProgress(quiet)
	log.Info("run started", "run_id", id, "recipe_id", r.ID, "engine", c.settings.get(keyEngine), "evidence", string(level))
	summary, err := app.Run(ctx, app.Job{
		Recipe: r, Document: doc, RunID: id, Out: c.place(out), Evidence: string(level), Engine: c.settings.get(keyEngine),
		BaseDir: base, Limits: c.limits(), LookupEnv: c.env.LookupEnv, Now: c.env.Now,
		Report: logged{view, log}.report,
	})
	view.end(err == nil)
	if err != nil {
		return nil, inFile(err, doc)
	}
	log.Info("run finished", "run_id", id, "matches", summary.Matches, "match_rate", summary.MatchRate.String())
	return summary, nil
}

func (c *command) printSummary(s *kalla.Summary, format string) error {
	return c.output(format, s, func(w io.Writer, p palette) {
		shown := *s
		if shown.Evidence != "" {
			shown.Evidence = c.shorten(s.Evidence)
		}
		writeReport(w, p, &shown, c.env.Width)
		writeNext(w, p, &shown)
	})
}

// runID is unique and sorts by time: 20261124-181530-5f0c2a.
func runID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

// loadRecipe reads and parses a recipe from a file, or from standard input for "-".
func (c *command) loadRecipe(file string) (*recipe.Document, error) {
	var data []byte
	var err error
	shown := file
	if file == "-" {
		shown = "standard input"
		data, err = io.ReadAll(io.LimitReader(c.env.Stdin, recipe.MaxSize+1))
	} else {
		data, err = readAtMost(c.path(file), recipe.MaxSize+1)
	}
	if err != nil {
		why, hint := err.Error(), ""
		var pe *fs.PathError
		if errors.As(err, &pe) {
			why = pe.Err.Error()
		}
		if errors.Is(err, fs.ErrNotExist) {
			why, hint = "there is no such file", "kalla demo writes an example"
		}
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading recipe", Where: shown, Why: why, Hint: hint, Err: err}
	}
	return recipe.Parse(data, shown)
}

// readAtMost keeps a file that is no recipe at all out of memory.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// sourceURI makes a file from the command line relative to the working
// directory instead of the recipe's; anything with a scheme stays as it is.
func (c *command) sourceURI(uri string) string {
	if strings.Contains(uri, "://") || strings.HasPrefix(uri, "file:") || strings.HasPrefix(uri, "$") || filepath.IsAbs(uri) {
		return uri
	}
	return c.env.Dir + string(filepath.Separator) + uri
}

// parseParams reads name=value pairs.
func parseParams(pairs []string) (map[string]string, error) {
	out := make(map[string]string, len(pairs))
	for _, p := range pairs {
		key, value, ok := strings.Cut(p, "=")
		if !ok || key == "" {
			return nil, usage("--param", fmt.Sprintf("%q is not name=value", p), "write --param tolerance=0.05")
		}
		if _, twice := out[key]; twice {
			return nil, usage("--param", fmt.Sprintf("%s is given twice", key), "")
		}
		out[key] = value
	}
	return out, nil
}

// parseTarget reads a match rate: "95%" or "0.95"; empty means none.
func parseTarget(s string) (*kalla.Decimal, error) {
	if s == "" {
		return nil, nil
	}
	rate, err := kalla.ParseRate(s)
	if err != nil {
		return nil, usage("--fail-under", err.Error(), "write --fail-under 95% or --fail-under 0.95")
	}
	return &rate, nil
}
