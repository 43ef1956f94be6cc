package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// confirmSave shows the buttons that save the draft as it is.
func (t *turn) confirmSave() {
	d := t.c.Work.Draft
	detail := "as a new recipe"
	if d.Base > 0 {
		detail = fmt.Sprintf("as version %d", d.Base+1)
	}
	details := []string{"recipe " + d.RecipeID + ", " + detail, "left: " + t.c.Work.Left.Source + ", right: " + t.c.Work.Right.Source}
	sum := digest(d.Document)
	t.show(Card{Kind: CardConfirm, Confirm: &Confirm{Tool: ToolSaveRecipe, Title: "Save and run", Details: append(slices.Clone(details), "and run it on all records"), Approve: "Save and run", Run: true, Digest: sum}})
	t.show(Card{Kind: CardConfirm, Confirm: &Confirm{Tool: ToolSaveRecipe, Title: "Save only", Details: details, Approve: "Save", Digest: sum}})
}

// confirmRun shows the button that runs the saved recipe.
func (t *turn) confirmRun() {
	s := t.c.Work.Saved
	t.show(Card{Kind: CardConfirm, Confirm: &Confirm{Tool: ToolRunFull, Title: "Run the recipe",
		Details: []string{fmt.Sprintf("recipe %s, version %d, on all records", s.RecipeID, s.Version), "its evidence is kept"}, Approve: "Run", Digest: digest(encode(s))}})
}

// approved does what the person approved, and nothing if that is not what it was any more.
func (t *turn) approved(ctx context.Context, card *Card) error {
	w, ask := &t.c.Work, card.Confirm
	changed := &kalla.Error{Code: kalla.CodeUsage, Op: strings.ToLower(ask.Title), Why: "it is not what you looked at any more", Hint: "look at it again"}
	switch {
	case ask.Tool == ToolSaveRecipe && w.Draft != nil && digest(w.Draft.Document) == ask.Digest:
		message := "drafted with the assistant"
		saved, err := t.Services.SaveRecipe(ctx, w.Draft.Document, message, &w.Draft.Base)
		if err != nil {
			return err
		}
		w.Saved, w.Draft.Base = saved, saved.Version
		t.say("Saved: recipe %s, version %d.", saved.RecipeID, saved.Version)
		if !ask.Run {
			t.confirmRun()
			return nil
		}
	case ask.Tool == ToolRunFull && w.Saved != nil && digest(encode(w.Saved)) == ask.Digest:
	default:
		return changed
	}
	id, err := t.Services.StartRun(ctx, *w.Saved, "chat-"+card.ID)
	if err != nil {
		return err
	}
	w.Run, t.c.WaitsFor = id, id
	t.say("The run has begun. I tell you what comes of it.")
	t.show(Card{Kind: CardProgress, Progress: &Progress{RunID: id, RecipeID: w.Saved.RecipeID}})
	return nil
}

// ended tells what a run came to.
func (t *turn) ended(r Run) error {
	t.c.WaitsFor = ""
	t.show(Card{Kind: CardResult, Result: &Result{RunID: r.RunID, RecipeID: r.RecipeID, Status: r.Status, Summary: r.Summary, Error: r.Error, Hint: r.Hint}})
	switch s := r.Summary; {
	case r.Status == "completed" && s != nil:
		t.say("The run is complete: %s%% matched; %s records of %s and %s of %s are open. Ask why one of them is not matched, by its key: *why is … not matched?*",
			s.MatchRate.Shift(2).Round(2).String(), count(s.Left.Unmatched), s.Left.Alias, count(s.Right.Unmatched), s.Right.Alias)
	case r.Status == "cancelled":
		t.say("The run was cancelled.")
	default:
		t.say("The run failed: %s.", strings.TrimSuffix(r.Error, "."))
		if r.Hint != "" {
			t.say("%s.", upper(strings.TrimSuffix(r.Hint, ".")))
		}
	}
	if t.c.Work.Phase() == Execution {
		if r.Status != "completed" {
			t.c.Work.Run = ""
			t.confirmRun()
		}
		t.offerChanges()
	}
	return nil
}
