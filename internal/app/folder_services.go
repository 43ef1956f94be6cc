package app

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/evidence"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// Preview looks at a file.
func (f *Folder) Preview(ctx context.Context, s agent.Scope, limit int, profile bool) (*job.Preview, error) {
	x, err := f.find(ctx, s.Source)
	if err != nil {
		return nil, err
	}
	p, err := f.client.Preview(ctx, job.PreviewRequest{URI: x.path, Filters: s.Filters, Limit: limit, Profile: profile})
	return &p, f.local(err)
}

// Draft proposes a recipe for two files, which refers to them from the folder.
func (f *Folder) Draft(ctx context.Context, in agent.DraftInput) (*job.Draft, error) {
	req := job.DraftRequest{RecipeID: in.RecipeID, Name: in.Name, Guidance: in.Guidance}
	for _, side := range []struct {
		scope agent.Scope
		into  *job.DraftSource
	}{{in.Left, &req.Left}, {in.Right, &req.Right}} {
		x, err := f.find(ctx, side.scope.Source)
		if err != nil {
			return nil, err
		}
		*side.into = job.DraftSource{Alias: x.alias, URI: x.path, Filters: side.scope.Filters}
	}
	d, err := f.client.Draft(ctx, req)
	if err != nil {
		return nil, f.local(err)
	}
	below := f.dir + string(filepath.Separator)
	d.Document = strings.ReplaceAll(d.Document, below, "")
	d.Recipe = json.RawMessage(strings.ReplaceAll(string(d.Recipe), below, ""))
	return &d, nil
}

// local says of an error what the folder is, where the scheduler means its own flags.
func (f *Folder) local(err error) error {
	e, ok := errors.AsType[*kalla.Error](err)
	if !ok || !strings.Contains(e.Hint, "--allow-") {
		return err
	}
	own := *e
	own.Hint = "only files below " + f.dir + " are read: put it there, or start kalla mcp with another --dir"
	return &own
}

// runnable is a recipe as the scheduler runs it: files by their whole path.
func (f *Folder) runnable(ctx context.Context, document string) (*kalla.Recipe, json.RawMessage, error) {
	doc, err := recipe.Parse([]byte(document), "recipe")
	if err != nil {
		return nil, nil, err
	}
	r, err := doc.Bind(nil)
	if err != nil {
		return nil, nil, err
	}
	placed := *r
	placed.Extras = slices.Clone(r.Extras)
	for _, s := range []*kalla.Source{&placed.Sources.Left, &placed.Sources.Right} {
		if s.URI == "" {
			x, err := f.find(ctx, s.Source)
			if err != nil {
				return nil, nil, err
			}
			s.URI, s.Source = x.path, ""
		}
		s.URI = source.Absolute(s.URI, f.dir)
	}
	for i := range placed.Extras {
		placed.Extras[i].URI = source.Absolute(placed.Extras[i].URI, f.dir)
	}
	text, err := recipe.JSON(&placed)
	return r, text, err
}

// Check finds what is wrong with a recipe.
func (f *Folder) Check(ctx context.Context, document string) (*agent.Checked, error) {
	r, text, err := f.runnable(ctx, document)
	if faults, ok := errors.AsType[kalla.Faults](err); ok {
		return &agent.Checked{Faults: faults}, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := f.client.Validate(ctx, job.ValidateRequest{Recipe: text})
	if err != nil {
		return nil, f.local(err)
	}
	out := &agent.Checked{Valid: v.Valid, Faults: v.Faults, Left: v.Left, Right: v.Right}
	for _, s := range recipe.Explain(r) {
		out.Sentences = append(out.Sentences, agent.Sentence{Path: s.Path, Text: s.Text})
	}
	return out, nil
}

// Backtest runs a recipe and leaves nothing behind.
func (f *Folder) Backtest(ctx context.Context, in agent.BacktestInput) (*job.Backtest, error) {
	_, text, err := f.runnable(ctx, in.Document)
	if err != nil {
		return nil, err
	}
	req := job.BacktestRequest{Recipe: text, Examples: in.Examples, Samples: in.Samples}
	if in.Base != nil {
		base, err := f.Recipe(ctx, in.Base.RecipeID, in.Base.Version)
		if err != nil {
			return nil, err
		}
		if base != nil {
			if _, req.Base, err = f.runnable(ctx, base.Document); err != nil {
				return nil, err
			}
		}
	}
	out, err := f.client.Backtest(ctx, req)
	return &out, f.local(err)
}

// recipeFile is where the recipe with an id is kept: the file that holds it, or one of its name.
func (f *Folder) recipeFile(id string) (path, document string, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return "", "", &kalla.Error{Code: kalla.CodeSource, Op: "looking for recipes", Where: f.dir, Err: err}
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.Type().IsRegular() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		path := filepath.Join(f.dir, e.Name())
		if info, err := e.Info(); err != nil || info.Size() > maxRecipe {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue // another user's
		}
		doc, err := recipe.Parse(text, e.Name())
		if err != nil {
			continue // YAML of something else
		}
		if r, _ := doc.Draft(nil); r != nil && r.ID == id {
			return path, string(text), nil
		}
	}
	return filepath.Join(f.dir, id+".yaml"), "", nil
}

// maxRecipe bounds what is read of a file that may hold a recipe, in bytes.
const maxRecipe = 1 << 20

// Recipe returns the recipe that a file of the folder holds. Files have no versions: all are the first.
func (f *Folder) Recipe(_ context.Context, id string, _ int) (*agent.Stored, error) {
	path, document, err := f.recipeFile(id)
	if err != nil || document == "" {
		return nil, err
	}
	doc, err := recipe.Parse([]byte(document), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	r, _ := doc.Draft(nil)
	return &agent.Stored{Saved: agent.Saved{RecipeID: id, Version: 1}, Name: r.Name, Document: document}, nil
}

// SaveRecipe writes a recipe to its file, the one before to the same name with ~ behind it.
func (f *Folder) SaveRecipe(ctx context.Context, document, _ string, expect *int) (*agent.Saved, error) {
	const op = "saving recipe"
	f.saving.Lock()
	defer f.saving.Unlock()
	checked, err := f.Check(ctx, document)
	if err != nil {
		return nil, err
	}
	r, _, err := f.runnable(ctx, document)
	if err == nil && !checked.Valid {
		err = &kalla.Error{Code: kalla.CodeRecipe, Op: op, Where: r.ID, Err: kalla.Faults(checked.Faults)}
	}
	if err != nil {
		return nil, err
	}
	path, before, err := f.recipeFile(r.ID)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	_, stat := os.Lstat(path)
	switch {
	case before == "" && stat == nil:
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: name, Why: "there is a file of that name, with something else in it", Hint: "give the recipe another recipe_id"}
	case expect != nil && *expect == 0 && before != "":
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: name, Why: "there is a recipe with that id", Hint: "give it another recipe_id"}
	}
	if before != "" {
		err = os.WriteFile(path+"~", []byte(before), 0o644)
	}
	if err == nil {
		err = replace(path, document)
	}
	if err != nil {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: name, Err: err, Hint: "see that this user may write to " + f.dir}
	}
	return &agent.Saved{RecipeID: r.ID, Version: 1}, nil
}

// replace writes a file whole or not at all.
func replace(path, text string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone already once it is renamed
	_, err = temp.WriteString(text)
	if err = errors.Join(err, temp.Chmod(0o644), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

func (f *Folder) runs() string { return filepath.Join(f.dir, dataDir, "runs") }

// StartRun starts a run of a recipe of the folder.
func (f *Folder) StartRun(ctx context.Context, r agent.Saved, key string) (string, error) {
	stored, err := f.Recipe(ctx, r.RecipeID, r.Version)
	if err != nil {
		return "", err
	}
	if stored == nil {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "starting run", Where: r.RecipeID, Why: "no file of " + f.dir + " holds a recipe with that id", Hint: "save it with save_recipe first"}
	}
	_, text, err := f.runnable(ctx, stored.Document)
	if err != nil {
		return "", err
	}
	id, err := uuid.NewV7() // sorts by time
	if key != "" {
		id = uuid.NewSHA1(uuid.NameSpaceOID, []byte(key))
	}
	if err == nil {
		err = os.MkdirAll(f.runs(), 0o755)
	}
	if err != nil {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "starting run", Where: f.runs(), Err: err, Hint: "see that this user may write to " + f.dir}
	}
	_, err = f.client.Submit(ctx, job.Request{RunID: id.String(), Recipe: text, OutputPath: filepath.Join(f.runs(), id.String())})
	return id.String(), f.local(err)
}

// CancelRun ends a run.
func (f *Folder) CancelRun(ctx context.Context, runID string) error {
	_, err := f.client.Cancel(ctx, runID)
	return err
}

// Run says how a run is going, or what the evidence of an earlier one says.
func (f *Folder) Run(ctx context.Context, runID string) (*agent.Run, error) {
	j, err := f.client.Get(ctx, runID)
	if status, ok := errors.AsType[*job.StatusError](err); ok && status.Status == 404 {
		m, err := f.manifest(ctx, runID)
		if err != nil {
			return nil, err
		}
		return &agent.Run{RunID: runID, RecipeID: m.Summary.RecipeID, Status: string(job.Completed), Final: true, Progress: 1, Summary: &m.Summary}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &agent.Run{RunID: j.RunID, RecipeID: j.RecipeID, Status: string(j.State), Final: j.State.Final(), Stage: string(j.Stage), Progress: j.Progress, Summary: j.Summary}
	switch j.State {
	case job.Queued:
		out.Status = "pending"
	case job.Running:
		out.Status = string(j.Stage)
		if j.Stage == "" {
			out.Status = "dispatched"
		}
	}
	if j.Error != nil {
		out.Error, out.Hint = j.Error.Message, j.Error.Hint
	}
	return out, nil
}

// place is the folder of a run's evidence.
func (f *Folder) place(runID string) (string, error) {
	if !filepath.IsLocal(runID) || strings.ContainsAny(runID, `/\`) || runID == "." {
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "looking for run", Where: runID, Why: "that is no id of a run", Hint: "take the run_id that run_full answered"}
	}
	return filepath.Join(f.runs(), runID), nil
}

func (f *Folder) manifest(ctx context.Context, runID string) (*evidence.Manifest, error) {
	place, err := f.place(runID)
	if err != nil {
		return nil, err
	}
	l, err := evidence.Locate(place, f.scratch.Path(), noEnv)
	if err != nil {
		return nil, err
	}
	return evidence.Load(ctx, l)
}

// LastRun is the id of the newest evidence of a recipe.
func (f *Folder) LastRun(ctx context.Context, recipeID string) (string, error) {
	entries, err := os.ReadDir(f.runs())
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", &kalla.Error{Code: kalla.CodeEvidence, Op: "looking for runs", Where: f.runs(), Err: err}
	}
	var last *evidence.Manifest
	id := ""
	for _, e := range entries {
		m, err := f.manifest(ctx, e.Name())
		if ctx.Err() != nil {
			return "", &kalla.Error{Code: kalla.CodeCanceled, Op: "looking for runs", Why: "cancelled", Err: ctx.Err()}
		}
		if err == nil && m.Summary.RecipeID == recipeID && (last == nil || m.Ended.After(last.Ended)) {
			last, id = m, e.Name()
		}
	}
	return id, nil
}

// Record says what became of a record.
func (f *Folder) Record(ctx context.Context, runID string, side kalla.Side, key string) (*records.Record, error) {
	place, err := f.place(runID)
	if err != nil {
		return nil, err
	}
	run, err := f.records.Run(ctx, place)
	if err != nil {
		return nil, err
	}
	return run.Record(ctx, side, key)
}

// PlaceUpload is not for folders: whoever can send a file there can put it there.
func (f *Folder) PlaceUpload(context.Context, string) (*agent.Place, error) {
	return nil, f.noUploads()
}

// KeepUpload is not for folders either.
func (f *Folder) KeepUpload(context.Context, string, string) (*agent.Source, error) {
	return nil, f.noUploads()
}

func (f *Folder) noUploads() error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: "asking for a file", Where: f.dir, Why: "files are not sent to a folder", Hint: "put the file into " + f.dir + ", then call list_sources"}
}
