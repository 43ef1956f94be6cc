package agent

import (
	"slices"
	"strings"

	"kalla"
	"kalla/internal/job"
)

// Work is what a conversation has established. Its phase follows from it (see
// Phase), and so does what has to be done again when something earlier changes:
// the methods that change it drop what no longer holds.
type Work struct {
	Greeted  bool          `json:"greeted,omitempty"` // the person has said what they want, whatever it is
	Left     *Scope        `json:"left,omitempty"`
	Right    *Scope        `json:"right,omitempty"`
	Scoped   bool          `json:"scoped,omitempty"`   // these are the records that count
	Examples []job.Example `json:"examples,omitempty"` // pairs of which the person has said whether they belong together
	Shown    bool          `json:"shown,omitempty"`    // enough of them
	Without  []string      `json:"without,omitempty"`  // ids of rules that the person dropped
	Choose   []string      `json:"choose,omitempty"`   // ids of alternatives that they took
	Edits    []Edit        `json:"edits,omitempty"`    // tolerances that they named
	Draft    *Draft        `json:"draft,omitempty"`
	Agreed   bool          `json:"agreed,omitempty"` // the rules are as the person wants them
	Tested   *Tested       `json:"tested,omitempty"` // of the draft as it is
	Saved    *Saved        `json:"saved,omitempty"`  // the draft as it is
	Run      string        `json:"run,omitempty"`    // id of the last run of it
	Failed   int           `json:"failed,omitempty"` // how often something failed in this phase
}

// Scope is a registered source with the records of it that count.
type Scope struct {
	Source  string       `json:"source"`
	Filters []job.Filter `json:"filters,omitempty"`
}

// Edit is a tolerance that a person named: it replaces that of the conditions on
// such values. Amount is a decimal or a percentage ("0.05", "1%"), Days a number of days.
type Edit struct {
	Amount string `json:"amount,omitempty"`
	Days   *int   `json:"days,omitempty"`
}

// Draft is the recipe that the conversation is about.
type Draft struct {
	RecipeID string `json:"recipe_id"`
	Name     string `json:"name"`
	Document string `json:"document"`       // YAML
	Base     int    `json:"base,omitempty"` // the saved version that it changes; 0 for a new recipe
	Rules    []Rule `json:"rules,omitempty"`
}

// Tested is what the back-test of a draft came to.
type Tested struct {
	MatchRate     kalla.Decimal `json:"match_rate"`
	Disagreements int           `json:"disagreements"`
}

// Saved is a version of a recipe.
type Saved struct {
	RecipeID string `json:"recipe_id"`
	Version  int    `json:"version"`
}

// SetSources says which sources are reconciled.
func (w *Work) SetSources(left, right string) {
	if w.Left != nil && w.Right != nil && w.Left.Source == left && w.Right.Source == right {
		return
	}
	*w = Work{Greeted: true, Left: &Scope{Source: left}, Right: &Scope{Source: right}}
}

// SetFilters says which records of a side count.
func (w *Work) SetFilters(side kalla.Side, filters []job.Filter) {
	scope := w.Scope(side)
	if scope == nil {
		return
	}
	scope.Filters = slices.Clone(filters)
	w.Scoped, w.Shown = false, false
	w.dropDraft()
}

// Scope is a side's, nil where there is none yet.
func (w *Work) Scope(side kalla.Side) *Scope {
	if side == kalla.Right {
		return w.Right
	}
	return w.Left
}

// Decide notes what the person said about a pair of records.
func (w *Work) Decide(e job.Example) {
	same := func(x job.Example) bool { return equal(x.Left, e.Left) && equal(x.Right, e.Right) }
	w.Examples = append(slices.DeleteFunc(slices.Clone(w.Examples), same), e)
	w.Agreed, w.Tested, w.Saved, w.Run = false, nil, nil, ""
}

// Drop notes that the draft shall do without rules.
func (w *Work) Drop(ids ...string) {
	for _, id := range ids {
		if !slices.Contains(w.Without, id) {
			w.Without = append(w.Without, id)
		}
	}
	w.dropDraft()
}

// TakeBack notes that rules that were dropped shall be drafted again.
func (w *Work) TakeBack(ids ...string) {
	w.Without = slices.DeleteFunc(slices.Clone(w.Without), func(id string) bool { return slices.Contains(ids, id) })
	w.dropDraft()
}

// Take notes that the draft shall take an alternative: in the place of one of the same rule that
// was taken before, and of a tolerance that was named for such values.
func (w *Work) Take(alternative string) {
	rule, _, _ := strings.Cut(alternative, "~")
	w.Choose = slices.DeleteFunc(slices.Clone(w.Choose), func(id string) bool { return id == rule || strings.HasPrefix(id, rule+"~") })
	w.Choose = append(w.Choose, alternative)
	e := w.tolerance()
	if strings.HasPrefix(rule, amountRule) {
		e.Amount = ""
	}
	if strings.HasPrefix(rule, dateRule) {
		e.Days = nil
	}
	w.Edits = []Edit{e}
	w.dropDraft()
}

// tolerance is what was named last, of amounts and of dates.
func (w *Work) tolerance() (last Edit) {
	for _, e := range w.Edits {
		last = last.then(e)
	}
	return last
}

// SetDraft takes a recipe in the place of the one before.
func (w *Work) SetDraft(d *Draft) {
	w.dropDraft()
	w.Draft = d
}

func (w *Work) dropDraft() { w.Draft, w.Agreed, w.Tested, w.Saved, w.Run = nil, false, nil, nil, "" }

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if other, ok := b[k]; !ok || other != v {
			return false
		}
	}
	return true
}
