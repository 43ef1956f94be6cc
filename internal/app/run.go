package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"kalla"
	"kalla/internal/engine"
	"kalla/internal/engine/duckdb"
	"kalla/internal/engine/trino"
	"kalla/internal/evidence"
	"kalla/internal/gate"
	"kalla/internal/match"
	"kalla/internal/recipe"
)

func (r *run) do(ctx context.Context) error {
	var writer *evidence.Writer
	if r.level != evidence.None {
		out, err := evidence.Locate(r.Out, r.Limits.TempDir, r.LookupEnv)
		if err != nil {
			return err
		}
		w, err := evidence.Begin(ctx, out, r.RunID)
		if err != nil {
			return err
		}
		defer w.Abort()
		writer = w
	}
	r.summary = kalla.Summary{RunID: r.RunID, RecipeID: r.Recipe.ID}
	if err := r.stage(ctx, kalla.StageStaging, r.stageSources); err != nil {
		return err
	}
	var folders []string
	if writer != nil {
		folders = []string{writer.Dir()}
	}
	if err := r.session.Seal(ctx, folders...); err != nil {
		return err
	}
	if err := r.stage(ctx, kalla.StageMatching, r.match); err != nil {
		return err
	}
	if writer == nil {
		return nil
	}
	files := map[string]evidence.File{}
	if err := r.stage(ctx, kalla.StageEvidence, func(ctx context.Context) error { return r.write(ctx, writer, files) }); err != nil {
		return err
	}
	r.summary.Evidence = writer.Final().String()
	return r.publish(ctx, writer, files)
}

// stage times one stage, and says at once that it has begun: what fails in it failed there.
func (r *run) stage(ctx context.Context, name kalla.Stage, do func(context.Context) error) error {
	start := time.Now()
	r.report(kalla.Progress{Stage: name})
	if err := engine.Trace(ctx, string(name), do); err != nil {
		return err
	}
	r.summary.Stages = append(r.summary.Stages, kalla.StageTime{Name: string(name), MS: time.Since(start).Milliseconds()})
	r.report(kalla.Progress{Stage: name, Fraction: 1})
	return nil
}

// report adds to an event what is known of the whole run by now.
func (r *run) report(p kalla.Progress) {
	if len(r.tables) > 0 {
		p.TotalLeft, p.TotalRight = r.tables[0].Rows, r.tables[1].Rows
	}
	p.Matched = r.summary.Pairs
	r.Report(p)
}

// findSources passes the recipe's SQL through the gate and says how its sources are read, before they are.
func (r *run) findSources(ctx context.Context) (err error) {
	if r.gated, err = passGate(ctx, r.embedded.Gate(), r.Recipe, r.Document); err != nil {
		return err
	}
	if r.inputs, err = Inputs(r.gated.recipe, r.BaseDir, r.LookupEnv); err != nil {
		return err
	}
	for _, in := range r.inputs {
		if r.Allow == nil {
			break
		}
		if err := r.Allow(in.Source); err != nil {
			return err
		}
	}
	return r.gated.derivedColumns(ctx, r.embedded, r.inputs)
}

func (r *run) stageSources(ctx context.Context) error {
	if err := r.findSources(ctx); err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	// Lookups first: derived columns may join them.
	order := append(append([]engine.Input(nil), r.inputs[2:]...), r.inputs[:2]...)
	tables, err := r.session.Stage(ctx, order, r.report)
	if err != nil {
		return err
	}
	n := len(tables)
	r.tables = append([]engine.Table{tables[n-2], tables[n-1]}, tables[:n-2]...)
	faults := append(recipe.Check(r.Recipe, r.Document, r.tables[0].Schema, r.tables[1].Schema), r.gated.stagedColumns(r.tables)...)
	if len(faults) > 0 {
		return invalid(r.Recipe, faults)
	}
	if err := r.writeSQL(ctx); err != nil {
		return err
	}
	options := r.Plan
	if r.level == evidence.Keys {
		options.Detail = match.Keys
	}
	if _, ok := r.session.(*clusterSession); ok {
		options.Embedded = duckdb.StagedDialect{} // of its executors
	}
	r.plan, err = match.Compile(r.gated.recipe, match.Input{Schema: r.tables[0].Schema, Rows: r.tables[0].Rows},
		match.Input{Schema: r.tables[1].Schema, Rows: r.tables[1].Rows}, r.session.Dialect(), options)
	return err
}

// writeSQL gives the recipe its raw SQL as the engine of the run takes it. What
// the cluster could not plan is refused here, before anything is matched.
func (r *run) writeSQL(ctx context.Context) error {
	onCluster, ok := r.session.(*clusterSession)
	if !ok {
		return r.gated.write(r.tables, r.session.Dialect(), nil)
	}
	return r.gated.write(r.tables, r.session.Dialect(), func(c *gate.Checked, schemas map[string]kalla.Schema) (string, error) {
		sql, err := trino.WriteSQL(c, schemas)
		if err != nil {
			return "", err
		}
		return sql, onCluster.Validate(ctx, c, sql)
	})
}

func (r *run) match(ctx context.Context) error {
	searches, err := engine.Execute(ctx, r.session, r.plan.Nodes, r.report)
	if err != nil {
		return err
	}
	s := &r.summary
	s.Left.Alias, s.Right.Alias = r.Recipe.Sources.Left.Alias, r.Recipe.Sources.Right.Alias
	if err := engine.Summarize(ctx, r.session, r.plan, searches, s); err != nil {
		return err
	}
	s.MatchRate = engine.Rate(r.Recipe, s.Left, s.Right)
	return r.badKeys()
}

// badKeys warns of records whose key is missing or not unique, or fails the run if the recipe says so.
func (r *run) badKeys() error {
	for _, side := range []struct {
		sum kalla.SideSummary
		key []string
	}{{r.summary.Left, r.Recipe.Sources.Left.PrimaryKey}, {r.summary.Right, r.Recipe.Sources.Right.PrimaryKey}} {
		if side.sum.BadKeys == 0 {
			continue
		}
		records := "records have"
		if side.sum.BadKeys == 1 {
			records = "record has"
		}
		what := fmt.Sprintf("%s: %d %s an empty or duplicate primary key (%s)", side.sum.Alias, side.sum.BadKeys, records, strings.Join(side.key, ", "))
		if r.Recipe.OnBadKey == kalla.FailOnBadKeys {
			return &kalla.Error{Code: kalla.CodeBadKey, Op: "checking keys", Where: side.sum.Alias,
				Why:  strings.TrimPrefix(what, side.sum.Alias+": "),
				Hint: "mend the source, name a key that is unique, or write on_bad_key: report to list them as unmatched"}
		}
		r.summary.Warnings = append(r.summary.Warnings, what+"; they are unmatched with reason bad_key")
	}
	return nil
}

func (r *run) write(ctx context.Context, w *evidence.Writer, files map[string]evidence.File) error {
	for i, f := range r.plan.Files {
		stop := engine.Watch(r.session, func(share float64) {
			r.report(kalla.Progress{Stage: kalla.StageEvidence, Step: "writing " + f.Name, Fraction: (float64(i) + share) / float64(len(r.plan.Files))})
		})
		err := r.writeFile(ctx, w, f, files)
		stop()
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes one table of the evidence: a file, or the parts that the workers of a cluster write.
func (r *run) writeFile(ctx context.Context, w *evidence.Writer, f match.File, files map[string]evidence.File) error {
	some := true // as far as the file's own query for that tells
	if f.Any != "" {
		var err error
		if some, err = engine.Ask(ctx, r.session, f.Any); err != nil {
			return engine.StepError("writing "+f.Name, err)
		}
	}
	schema, err := r.session.Columns(ctx, f.Query)
	if err != nil {
		return engine.StepError("describing "+f.Name, err)
	}
	written := slices.Clone(schema) // as the engine has it
	for i, c := range f.Columns {
		schema[i].Name, written[i].Name = c.Name, c.Name
		if c.Type.Kind != "" {
			schema[i].Type = c.Type
		}
	}
	onCluster, ok := r.session.(*clusterSession)
	if !ok {
		query := f.Query
		if !some {
			query = "SELECT * FROM (" + query + ") x WHERE FALSE"
		}
		rows, err := r.session.WriteParquet(ctx, query, w.Path(f.Name))
		files[f.Name] = evidence.File{Rows: rows, Schema: schema}
		if err != nil {
			return engine.StepError("writing "+f.Name, err)
		}
		return r.whole(f.Name, rows)
	}
	var parts []engine.Part
	if some {
		if parts, err = onCluster.WriteParts(ctx, engine.Result{Name: f.Name, Query: f.Query, Schema: written, Embedded: f.Embedded, Per: f.Per}); err != nil {
			return engine.StepError("writing "+f.Name, err)
		}
	}
	var rows int64
	for _, p := range parts {
		rows += p.Rows
	}
	if err := r.whole(f.Name, rows); err != nil {
		return err
	}
	r.summary.Parts = true
	return w.Take(ctx, f.Name, schema, parts, onCluster.folder)
}

// whole checks that a file has the rows that were counted before it was written.
func (r *run) whole(file string, rows int64) error {
	counted, ok := map[string]int64{
		match.MatchedFile: r.summary.Pairs, match.UnmatchedLeftFile: r.summary.Left.Unmatched, match.UnmatchedRightFile: r.summary.Right.Unmatched,
	}[file]
	if !ok || rows == counted {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeInternal, Op: "writing evidence", Where: file, Why: fmt.Sprintf("it has %d rows, but %d were counted", rows, counted),
		Hint: "run it again; nothing was published"}
}

func (r *run) publish(ctx context.Context, w *evidence.Writer, files map[string]evidence.File) error {
	redacted := recipe.Redact(r.Recipe)
	document, err := recipe.JSON(redacted)
	if err != nil {
		return err
	}
	parameters := map[string]string{}
	for _, p := range redacted.Parameters {
		parameters[p.Name] = p.Default
	}
	m := evidence.Manifest{
		RunID: r.RunID, Kalla: Version, Level: r.level, Started: r.started.UTC(), Ended: r.Now().UTC(),
		Engine: r.summary.Engine, Recipe: document, Parameters: parameters, Summary: r.summary, Files: files,
	}
	for i, t := range r.tables {
		in := r.inputs[i]
		src := evidence.Source{Alias: in.Alias, Location: in.Source.Location(), Fingerprint: t.Fingerprint, Consistency: t.Consistency, Schema: t.Schema, Rows: t.Rows}
		switch i {
		case 0:
			src.PrimaryKey = r.Recipe.Sources.Left.PrimaryKey
			m.Left = src
		case 1:
			src.PrimaryKey = r.Recipe.Sources.Right.PrimaryKey
			m.Right = src
		default:
			m.Extras = append(m.Extras, src)
		}
	}
	// The engine has nothing left to do, and freeing its memory takes as long as hashing the files.
	var freed sync.WaitGroup
	freed.Go(func() { _ = r.session.Close() }) // whoever opened it closes it again, and hears what came of it
	defer freed.Wait()
	return w.Publish(ctx, m)
}
