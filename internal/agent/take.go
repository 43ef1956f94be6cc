package agent

import (
	"context"
	"encoding/json"
	"slices"

	"kalla"
)

// dispatch runs a tool with what the conversation is about filled in, and takes in what came of it.
func (t *turn) dispatch(ctx context.Context, call ToolCall) (any, error) {
	w := &t.c.Work
	all := t.tools
	at := slices.IndexFunc(all, func(x Tool) bool { return x.Name == call.Name })
	if at < 0 {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "calling " + clip(call.Name, 60), Why: "there is no such tool", Hint: "use those that are listed"}
	}
	if err := w.refuse(call.Name); err != nil {
		return nil, err
	}
	input, err := t.filledIn(call.Name, t.masks().Unmask(call.Input))
	if err != nil {
		return nil, err
	}
	if all[at].Writes {
		return t.button(call.Name, input)
	}
	if err := t.doing(ctx, call.Name); err != nil {
		return nil, err
	}
	out, err := all[at].Call(ctx, input)
	if err != nil {
		return nil, err
	}
	return out, t.take(ctx, call.Name, input, out)
}

// filledIn adds what the conversation is about to an input that does not say it.
func (t *turn) filledIn(tool string, input json.RawMessage) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if len(input) > 0 && json.Unmarshal(input, &fields) != nil {
		return input, nil // the schema says what is wrong
	}
	w := &t.c.Work
	add := func(name string, v any) {
		if text := encode(v); fields[name] == nil && text != "null" {
			fields[name] = json.RawMessage(text)
		}
	}
	switch tool {
	case ToolProposeMatch, ToolInferRules, ToolBuildRecipe:
		if w.Left != nil && w.Right != nil { // in a conversation they are these, with their filters
			fields["left"], fields["right"] = json.RawMessage(encode(w.Left)), json.RawMessage(encode(w.Right))
		}
		// What the person said counts, not what the model says that they said.
		fields["examples"] = json.RawMessage(encode(w.Examples))
		if tool != ToolProposeMatch {
			add("without", w.Without)
			add("choose", w.Choose)
		}
	case ToolValidateRecipe, ToolRunSample, ToolSaveRecipe:
		var written string
		if json.Unmarshal(fields["document"], &written) == nil && written != "" && (w.Draft == nil || written != w.Draft.Document) {
			fields["document"] = json.RawMessage(encode(w.scoped(written)))
		} else if w.Draft != nil {
			fields["document"] = json.RawMessage(encode(w.Draft.Document))
		}
		if tool == ToolRunSample {
			fields["examples"] = json.RawMessage(encode(w.Examples))
		}
	case ToolExplainRecord:
		if w.Run != "" && fields["recipe_id"] == nil {
			add("run_id", w.Run)
		}
	}
	if string(fields["examples"]) == "null" {
		delete(fields, "examples")
	}
	return json.Marshal(fields)
}

// button shows what only a person may set off.
func (t *turn) button(tool string, input json.RawMessage) (any, error) {
	w := &t.c.Work
	wait := map[string]string{"status": "a button is shown to the person; nothing is done until they click"}
	switch tool {
	case ToolRequestUpload:
		var in UploadInput
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "asking for a file", Err: err, Hint: "give side and title as texts"}
		}
		title := clip(in.Title, 100)
		if title == "" {
			title = "Upload the file"
		}
		side := in.Side
		if side != kalla.Left && side != kalla.Right {
			side = ""
		}
		t.ask(side, title, "CSV, Parquet, JSON or Excel.")
		return wait, nil
	case ToolSaveRecipe:
		if w.Draft == nil || w.Tested == nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "saving the recipe", Why: "the draft as it is was not back-tested", Hint: "call run_sample first"}
		}
		var in SaveInput
		if err := json.Unmarshal(input, &in); err == nil && in.Document != w.Draft.Document {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "saving the recipe", Why: "the document is not the one that was back-tested", Hint: "call run_sample with it first, or leave document out"}
		}
		t.confirmSave()
	case ToolRunFull:
		if w.Saved == nil {
			return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "running the recipe", Why: "it is not saved", Hint: "call save_recipe first"}
		}
		t.confirmRun()
	}
	return wait, nil
}

// take shows what a tool found as a card, and notes what is established by it.
func (t *turn) take(ctx context.Context, tool string, input json.RawMessage, out any) error {
	w := &t.c.Work
	switch r := out.(type) {
	case *SourceData:
		if tool == ToolLoadScoped {
			if err := t.takeScope(r); err != nil {
				return err
			}
		}
		t.showTable(r)
	case *Proposed:
		w.Scoped = true
		w.SetDraft(r.draft.draft)
		return t.silently(func() error { return t.askPairs(r) })
	case *Drafted:
		w.Scoped, w.Shown = true, true
		var in BuildInput
		if json.Unmarshal(input, &in) == nil {
			// Of ids that the model made up there is nothing to show, or to take back.
			w.Without = slices.DeleteFunc(in.Without, func(id string) bool { _, ok := t.rule(id); return !ok })
			for _, id := range in.Choose {
				if !slices.Contains(w.Choose, id) {
					w.Take(id)
				}
			}
			w.Choose = in.Choose
			w.Edits = []Edit{w.tolerance().then(Edit{in.Amount, in.Days})}
		}
		if err := r.tolerate(ctx, t.Services, w.Examples, Edit{}, w.tolerance()); err != nil {
			return err
		}
		if err := t.adopt(ctx, r); err != nil {
			return err
		}
		return t.silently(func() error { return t.tellRules(r) })
	case *Checked:
		var in DocumentInput
		if json.Unmarshal(input, &in) == nil && r.Valid && (w.Draft == nil || in.Document != w.Draft.Document) {
			return t.takeDocument(ctx, in.Document)
		}
	case *Tried:
		var in SampleInput
		if json.Unmarshal(input, &in) == nil && (w.Draft == nil || in.Document != w.Draft.Document) {
			if err := t.takeDocument(ctx, in.Document); err != nil {
				return err
			}
		}
		return t.silently(func() error { return t.showTest(r) })
	}
	return nil
}

// silently does what says something beside a card: the model says it in its own words.
func (t *turn) silently(show func() error) error {
	text := t.reply.Text
	err := show()
	t.reply.Text = text
	return err
}

// takeScope takes a source as a side of the reconciliation.
func (t *turn) takeScope(r *SourceData) error {
	w := &t.c.Work
	if r.Side == "" {
		return nil
	}
	if s := w.Scope(r.Side); s == nil || s.Source != r.Source {
		left, right := w.Left, w.Right
		*w = Work{Greeted: true, Left: left, Right: right}
		if r.Side == kalla.Left {
			w.Left = &Scope{Source: r.Source}
		} else {
			w.Right = &Scope{Source: r.Source}
		}
	}
	if w.Left != nil && w.Right != nil && w.Left.Source == w.Right.Source {
		if r.Side == kalla.Left {
			w.Right = nil
		} else {
			w.Left = nil
		}
	}
	w.SetFilters(r.Side, r.Filters)
	return nil
}

// takeDocument takes a recipe that the model wrote as the draft. It is of the same sources, or it is not taken.
func (t *turn) takeDocument(ctx context.Context, document string) error {
	r, err := parse(document)
	if err != nil {
		return err
	}
	w := &t.c.Work
	if w.Left == nil || w.Right == nil || r.Sources.Left.Source != w.Left.Source || r.Sources.Right.Source != w.Right.Source {
		return &kalla.Error{Code: kalla.CodeRecipe, Op: "taking the recipe", Where: "sources", Why: "it is not of the sources of this conversation",
			Hint: "refer to them by source: with their aliases"}
	}
	d, err := draftOf(document, nil)
	if err != nil {
		return err
	}
	if w.Draft != nil {
		d.Rules = w.Draft.Rules
	}
	base, err := t.Services.Recipe(ctx, d.RecipeID, 0)
	if err != nil {
		return err
	}
	if base != nil {
		d.Base = base.Version
	}
	w.SetDraft(d)
	w.Scoped, w.Shown = true, true
	return nil
}
