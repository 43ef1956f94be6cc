package agent_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/job"
)

// TestPhases: what is established decides the phase, step by step.
func TestPhases(t *testing.T) {
	w := &agent.Work{}
	for _, x := range []struct {
		does  string
		do    func()
		phase agent.Phase
	}{
		{"nothing", func() {}, agent.Greeting},
		{"greets", func() { w.Greeted = true }, agent.Intent},
		{"names one source", func() { w.Left = &agent.Scope{Source: "a"} }, agent.Intent},
		{"names both", func() { w.SetSources("a", "b") }, agent.Scoping},
		{"filters", func() { w.SetFilters(kalla.Left, []job.Filter{{Column: "x", Op: "not_null"}}) }, agent.Scoping},
		{"is content with them", func() { w.Scoped = true }, agent.Demonstration},
		{"decides", func() { w.Decide(example("1", "2", true)) }, agent.Demonstration},
		{"has enough", func() { w.Shown = true }, agent.Inference},
		{"a draft", func() { w.SetDraft(&agent.Draft{Document: "d"}) }, agent.Inference},
		{"agrees", func() { w.Agreed = true }, agent.Validation},
		{"tests", func() { w.Tested = &agent.Tested{} }, agent.Validation},
		{"saves", func() { w.Saved = &agent.Saved{RecipeID: "r", Version: 1} }, agent.Execution},
		{"runs", func() { w.Run = "1" }, agent.Execution},
		{"another example", func() { w.Decide(example("3", "4", false)) }, agent.Inference},
		{"the same pair, decided otherwise", func() { w.Decide(example("1", "2", false)) }, agent.Inference},
		{"agrees again", func() { w.Agreed = true }, agent.Validation},
		{"other records", func() { w.SetFilters(kalla.Right, nil) }, agent.Scoping},
		{"other sources", func() { w.SetSources("a", "c") }, agent.Scoping},
	} {
		if x.do(); w.Phase() != x.phase {
			t.Errorf("%s: %s, not %s", x.does, w.Phase(), x.phase)
		}
	}
	if len(w.Examples) != 0 || w.Draft != nil || w.Left.Filters != nil {
		t.Errorf("of other sources: %+v", w)
	}
}

func example(l, r string, match bool) job.Example {
	return job.Example{Left: map[string]string{"id": l}, Right: map[string]string{"id": r}, Match: match}
}

// TestPhaseProperties: whatever happens in whatever order, a conversation is in
// one phase, all before are reached, and going back goes exactly there.
func TestPhaseProperties(t *testing.T) {
	writes := map[string]bool{}
	for _, tool := range agent.Tools(nil) {
		writes[tool.Name] = tool.Writes
	}
	rapid.Check(t, func(t *rapid.T) {
		w := &agent.Work{}
		step := map[string]func(*rapid.T){
			"greet":   func(*rapid.T) { w.Greeted = true },
			"sources": func(t *rapid.T) { w.SetSources("a", rapid.SampledFrom([]string{"b", "c"}).Draw(t, "right")) },
			"filters": func(t *rapid.T) {
				w.SetFilters(rapid.SampledFrom([]kalla.Side{kalla.Left, kalla.Right}).Draw(t, "side"), nil)
			},
			"scoped": func(*rapid.T) { w.Scoped = true },
			"shown":  func(*rapid.T) { w.Shown = true },
			"agree":  func(*rapid.T) { w.Agreed = w.Draft != nil },
			"draft":  func(*rapid.T) { w.SetDraft(&agent.Draft{Document: "d"}) },
			"decide": func(t *rapid.T) { w.Decide(example("1", "1", rapid.Bool().Draw(t, "match"))) },
			"save": func(*rapid.T) {
				if w.Phase() == agent.Validation {
					w.Saved = &agent.Saved{RecipeID: "r", Version: 1}
				}
			},
			"back": func(t *rapid.T) {
				to, now := rapid.SampledFrom(agent.Phases()).Draw(t, "to"), w.Phase()
				earlier := slices.Index(agent.Phases(), to) <= slices.Index(agent.Phases(), now)
				err := w.Back(to)
				if (err == nil) != earlier {
					t.Fatalf("from %s to %s: %v", now, to, err)
				}
				if at := w.Phase(); err == nil && at != to || err != nil && at != now {
					t.Fatalf("from %s back to %s: in %s", now, to, at)
				}
			},
			"": func(t *rapid.T) {
				p := w.Phase()
				at := slices.Index(agent.Phases(), p)
				if at < 0 {
					t.Fatalf("in no phase: %q", p)
				}
				if at >= slices.Index(agent.Phases(), agent.Scoping) && (w.Left == nil || w.Right == nil) {
					t.Fatalf("%s without sources", p)
				}
				if p == agent.Validation && (w.Draft == nil || !w.Agreed) || p == agent.Execution && w.Saved == nil {
					t.Fatalf("%s without what it takes: %+v", p, w)
				}
				if p.Allowed(agent.ToolRunFull) != (p == agent.Execution) {
					t.Fatalf("run_full in %s", p)
				}
				if p.Allowed(agent.ToolSaveRecipe) && w.Draft == nil {
					t.Fatalf("save_recipe in %s without a draft", p)
				}
			},
		}
		t.Repeat(step)
	})
	for _, name := range []string{agent.ToolSaveRecipe, agent.ToolRunFull, agent.ToolRequestUpload} {
		if !writes[name] {
			t.Errorf("%s does not say that it writes", name)
		}
	}
	if len(writes) != 13 {
		t.Errorf("%d tools", len(writes))
	}
}
