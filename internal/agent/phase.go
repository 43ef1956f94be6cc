package agent

import (
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// Phase is where a conversation is. It is never stored by itself: it is the
// first phase whose goal the Work has not reached, so a conversation is in
// exactly one, and goes back when what a phase had established is taken back.
type Phase string

// The phases, in order.
const (
	Greeting      Phase = "greeting"
	Intent        Phase = "intent"        // which two sources
	Scoping       Phase = "scoping"       // which of their records
	Demonstration Phase = "demonstration" // which records belong together, by examples
	Inference     Phase = "inference"     // by which rules
	Validation    Phase = "validation"    // does the recipe do on the real data what it should
	Execution     Phase = "execution"     // run it, and look at what came of it
)

// stage is what there is to know about a phase.
type stage struct {
	phase Phase
	title string
	// reached is the goal. The goals of all phases before are the prerequisites of this one.
	reached func(*Work) bool
	// undo takes the goal back, and with it what later phases have built on it.
	undo    func(*Work)
	tools   []string // that may be called beside those that only look
	retries int      // how often something may fail before the person is asked what to do
	// task is what a model is told to do.
	task string
}

// looking are the tools that change nothing and may be called at any time.
var looking = []string{ToolListSources, ToolPreview, ToolProfile, ToolExplainRecord, ToolRequestUpload}

var stages = []stage{
	{Greeting, "Greeting", func(w *Work) bool { return w.Greeted }, func(w *Work) { *w = Work{} }, nil, 3,
		"Greet the person in a sentence and ask what is to be reconciled. Call list_sources."},
	{Intent, "Sources", func(w *Work) bool { return w.Left != nil && w.Right != nil }, func(w *Work) { *w = Work{Greeted: true} },
		[]string{ToolLoadScoped}, 3,
		"Find out which two registered sources are reconciled: the left is the one whose records are expected to be answered, such as invoices; the right answers them, such as payments. " +
			"Ask for a file with request_file_upload where one is missing. Call load_scoped for each side once they are known; never guess between several that would fit: ask."},
	{Scoping, "Records", func(w *Work) bool { return w.Scoped },
		func(w *Work) { w.Scoped, w.Shown, w.Examples = false, false, nil; w.dropDraft() },
		[]string{ToolLoadScoped, ToolProposeMatch}, 4,
		"Find out which records count, such as those of a year or a currency, or without those cancelled. Call load_scoped with the filters. " +
			"When the person is content, go on with propose_match."},
	{Demonstration, "Examples", func(w *Work) bool { return w.Shown },
		func(w *Work) { w.Shown, w.Agreed, w.Tested, w.Saved, w.Run = false, false, nil, nil, "" },
		[]string{ToolLoadScoped, ToolProposeMatch, ToolInferRules}, 3,
		"Show pairs of records with propose_match, so that the person confirms or rejects them by clicking. When they have, or do not want to, go on with infer_rules."},
	{Inference, "Rules", func(w *Work) bool { return w.Agreed && w.Draft != nil }, func(w *Work) { w.dropDraft() },
		[]string{ToolLoadScoped, ToolProposeMatch, ToolInferRules, ToolBuildRecipe, ToolValidateRecipe, ToolRunSample}, 4,
		"Draft the rules with infer_rules and explain the doubtful ones in plain words: what supports them, what contradicts them. The person drops rules, and takes them back, by clicking; where they " +
			"say it in words, call infer_rules with without: the ids of all rules that are to stay dropped. A tolerance that they name goes into build_recipe. Write SQL or YAML of your own only where no rule says it, and pass it to validate_recipe. When the person is content, go on with run_sample."},
	{Validation, "Test", func(w *Work) bool { return w.Saved != nil }, func(w *Work) { w.Tested, w.Saved, w.Run = nil, nil, "" },
		[]string{ToolLoadScoped, ToolProposeMatch, ToolInferRules, ToolBuildRecipe, ToolValidateRecipe, ToolRunSample, ToolSaveRecipe}, 4,
		"Back-test the draft with run_sample, and say what the figures mean: the rate, the sums, what is ambiguous, what disagrees with the person's examples. " +
			"When the person is content call save_recipe, which only shows a button: the person saves."},
	{Execution, "Run", func(*Work) bool { return false }, nil,
		[]string{ToolLoadScoped, ToolInferRules, ToolBuildRecipe, ToolValidateRecipe, ToolRunSample, ToolSaveRecipe, ToolRunFull}, 3,
		"Offer to run the recipe with run_full, which only shows a button: the person runs. When it is done, say what came of it, and explain records that are asked about with explain_record."},
}

// Phases returns the phases in order.
func Phases() []Phase {
	out := make([]Phase, len(stages))
	for i, s := range stages {
		out[i] = s.phase
	}
	return out
}

// Phase is the first phase whose goal is not reached.
func (w *Work) Phase() Phase {
	for _, s := range stages {
		if !s.reached(w) {
			return s.phase
		}
	}
	return Execution
}

// Title is the phase for people.
func (p Phase) Title() string { return stageOf(p).title }

func stageOf(p Phase) stage {
	return stages[slices.IndexFunc(stages, func(s stage) bool { return s.phase == p })]
}

// Back takes the conversation back to a phase before the present one, which
// begins anew. Later phases, and unknown ones, are an error.
func (w *Work) Back(to Phase) error {
	at, now := slices.Index(Phases(), to), slices.Index(Phases(), w.Phase())
	if at < 0 || at > now {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "going back", Where: string(to), Why: "the conversation has not been there yet", Hint: "it is at " + string(w.Phase())}
	}
	for i := now; i >= at; i-- {
		if undo := stages[i].undo; undo != nil {
			undo(w)
		}
	}
	return nil
}

// Allowed reports whether a tool may be called in a phase.
func (p Phase) Allowed(tool string) bool {
	return slices.Contains(looking, tool) || slices.Contains(stageOf(p).tools, tool)
}

// refuse says why a tool may not be called now, nil where it may.
func (w *Work) refuse(tool string) error {
	p := w.Phase()
	if p.Allowed(tool) {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeUsage, Op: "calling " + tool, Why: fmt.Sprintf("it is not for the phase %s", p),
		Hint: "now are allowed: " + strings.Join(append(slices.Clone(stageOf(p).tools), looking...), ", ")}
}
