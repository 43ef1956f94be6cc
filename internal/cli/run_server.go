package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// ownLimits are flags that bound an engine in this process. A scheduler has its own.
var ownLimits = []string{"memory", "threads", "temp-dir"}

// refuseOwnLimits says so where such a flag would do nothing.
func refuseOwnLimits(flags *pflag.FlagSet) error {
	for _, name := range ownLimits {
		if flags.Changed(name) {
			return usage("--"+name, "it bounds a run in this process, and with --server the scheduler runs the recipe", "leave it out, or start kallad scheduler with it")
		}
	}
	return nil
}

// reconcileAt has the scheduler at a URL run a bound recipe and waits for the
// end. Cancelling ctx cancels the job.
func (c *command) reconcileAt(ctx context.Context, server string, doc *recipe.Document, r *kalla.Recipe, base, out string, quiet bool) (*kalla.Summary, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	client, err := job.NewClient(server, token)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	req, err := c.request(r, base, out)
	if err != nil {
		return nil, err
	}
	view := c.newProgress(quiet)
	log := c.logger().With("run_id", req.RunID, "server", server)
	if _, err = client.Submit(ctx, req); err == nil {
		log.Info("job submitted", "recipe_id", r.ID)
	}
	var ended job.Job
	if err == nil {
		ended, err = client.Wait(ctx, req.RunID, func(j job.Job) { logged{view, log}.reportJob(j) })
	}
	if err == nil && ended.State != job.Completed {
		err = failure(ended)
	}
	view.end(err == nil)
	if ctx.Err() != nil {
		// Whether or not the answer to Submit arrived, the job may be there.
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		if _, err := client.Cancel(last, req.RunID); err != nil && !gone(err) {
			log.Warn("the job could not be cancelled and may run on", "error", err)
		}
	}
	if err != nil {
		return nil, inDocument(err, doc)
	}
	return ended.Summary, nil
}

// request is what the scheduler is to do. It reads files from a folder of its
// own, so every path is made absolute.
func (c *command) request(r *kalla.Recipe, base, out string) (job.Request, error) {
	id := runID(c.env.Now())
	if out == "" {
		out = filepath.Join(c.settings.get(keyEvidenceDir), id)
	}
	absolute := *r
	absolute.Extras = slices.Clone(r.Extras)
	for _, uri := range []*string{&absolute.Sources.Left.URI, &absolute.Sources.Right.URI} {
		*uri = source.Absolute(*uri, base)
	}
	for i := range absolute.Extras {
		absolute.Extras[i].URI = source.Absolute(absolute.Extras[i].URI, base)
	}
	document, err := recipe.JSON(&absolute)
	if err != nil {
		return job.Request{}, err
	}
	return job.Request{RunID: id, OutputPath: c.place(out), Recipe: document, Engine: c.settings.get(keyEngine), Evidence: c.settings.get(keyEvidence)}, nil
}

// reportJob shows how far a job is.
func (l logged) reportJob(j job.Job) {
	if j.Stage == "" {
		return // it waits for its turn
	}
	from, to := job.Span(j.Stage)
	share := (j.Progress - from) / (to - from)
	l.report(kalla.Progress{Stage: j.Stage, Step: j.Step, Fraction: min(max(share, 0), 1)})
}

// failure is why a job did not complete.
func failure(j job.Job) error {
	e := &kalla.Error{Code: kalla.CodeCanceled, Why: "the job was cancelled at the scheduler"}
	if j.Error != nil {
		e.Code, e.Why, e.Hint = kalla.Code(j.Error.Code), j.Error.Message, j.Error.Hint
		if len(j.Error.Faults) > 0 {
			e.Err = kalla.Faults(j.Error.Faults)
		}
	}
	return e
}

// gone reports whether there is no such job, or it has ended.
func gone(err error) bool {
	status, ok := errors.AsType[*job.StatusError](err)
	return ok && (status.Status == 404 || status.Status == 409)
}

// inDocument gives faults that the scheduler found the lines of the file that
// the recipe came from: it was sent as a document of its own.
func inDocument(err error, doc *recipe.Document) error {
	faults, ok := errors.AsType[kalla.Faults](err)
	if !ok {
		return err
	}
	found := make(kalla.Faults, len(faults))
	for i, f := range faults {
		path, ours := strings.CutPrefix(f.Path, "recipe.")
		if !ours {
			path = f.Path
		}
		found[i] = doc.Fault(path, f.Problem, f.Hint)
		if !ours && found[i].Line == 1 {
			found[i].Line, found[i].Column = 0, 0 // it is of the request, such as output_path
		}
	}
	return invalid(doc, found)
}
