package agent

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"kalla"
)

const (
	mostSteps   = 12      // answers of the model in one turn
	mostRefused = 4       // calls in a row that cannot be done
	answerSize  = 4096    // tokens of one answer
	historySize = 160_000 // bytes of a conversation that are sent: some 40,000 tokens
	resultSize  = 24_000  // bytes of one result
)

// thinks reports whether the model answers: there is one, and its budget is not used up.
func (t *turn) thinks() bool { return t.Model != nil && !t.spent() }

// spent reports whether the budget of the conversation is used up.
func (t *turn) spent() bool {
	u := t.c.Spent.Usage
	if t.Budget.Tokens > 0 && u.Input+u.CacheRead+u.CacheWrite+u.Output >= t.Budget.Tokens {
		return true
	}
	most, err := decimal.NewFromString(t.Budget.Cost)
	cost, wrong := decimal.NewFromString(t.c.Spent.Cost)
	return err == nil && wrong == nil && cost.GreaterThanOrEqual(most)
}

// think has the model answer: it calls tools until it has said what it wants to.
func (t *turn) think(ctx context.Context) error {
	t.reply.By = t.Model.Info().Model
	var said []Message // of this turn
	if t.note != "" {
		said = append(said, Message{Role: User, Parts: []Part{{Text: t.note}}})
	}
	keep := func() { t.c.History[t.reply.ID] = Settled(said) }
	refused := 0
	for range mostSteps {
		if t.spent() {
			t.say("The budget of this conversation for the model is used up. I go on without it.")
			keep()
			return t.next(ctx)
		}
		started := t.reply.Text != ""
		reply, err := t.Model.Stream(ctx, t.request(said), func(d Delta) {
			text, tool := d.Text, ""
			if text != "" && started {
				text, started = "\n\n"+text, false
			}
			if d.Tool != "" {
				tool = t.title(d.Tool)
			}
			// What is not told now is told with the whole message.
			_ = t.sink.Delta(ctx, t.reply.ID, text, tool)
		})
		if err != nil {
			keep()
			return t.unreachable(ctx, err, len(t.reply.Cards) > 0)
		}
		t.spend(reply.Usage)
		said = append(said, reply.Message)
		for _, p := range reply.Message.Parts {
			if strings.TrimSpace(p.Text) != "" {
				t.say("%s", strings.TrimSpace(p.Text))
			}
		}
		switch reply.Stop {
		case StopRefused:
			t.say("The model declines to answer this.")
			keep()
			return nil
		case StopLength:
			t.reply.Partial = true
			keep()
			return nil
		case StopEnd, StopTools:
		}
		calls := callsOf(reply.Message)
		if len(calls) == 0 {
			keep()
			t.wayOn()
			return nil
		}
		results := Message{Role: User}
		for _, call := range calls {
			result, done := t.call(ctx, call)
			if ctx.Err() != nil {
				keep()
				return ctx.Err()
			}
			if refused++; done {
				refused = 0
			}
			results.Parts = append(results.Parts, Part{Result: &result})
		}
		said = append(said, results)
		if refused >= mostRefused {
			break
		}
	}
	keep()
	t.say("I did not get on by myself. What would you like to do?")
	t.offerChanges()
	return nil
}

func callsOf(m Message) (out []ToolCall) {
	for _, p := range m.Parts {
		if p.Call != nil {
			out = append(out, *p.Call)
		}
	}
	return out
}

// goOn does what comes after a click: the model is told of it, or the next step is done.
func (t *turn) goOn(ctx context.Context, note string) error {
	if !t.thinks() {
		return t.next(ctx)
	}
	t.note = "[The person clicked: " + note + "]"
	return t.think(ctx)
}

// wayOn adds the buttons of the phase where the model showed none.
func (t *turn) wayOn() {
	if slices.ContainsFunc(t.reply.Cards, func(c Card) bool { return c.Open }) {
		return
	}
	switch w := t.c.Work; w.Phase() {
	case Scoping:
		t.offerScopes()
	case Demonstration:
		t.offer("", Option{ID: "shown", Label: "Show me the rules"})
	case Inference:
		if w.Draft != nil {
			t.offer("", Option{ID: "agreed", Label: "These rules are right"})
		}
	}
}

// request is the conversation as the model sees it now.
func (t *turn) request(said []Message) Request {
	var specs []ToolSpec
	for _, x := range Tools(t.Services) {
		specs = append(specs, ToolSpec{Name: x.Name, Description: x.Description, Schema: x.Schema})
	}
	var history []Message
	size := 0
	// Whole messages, the newest first; what is left out is in what is established.
	for i := len(t.c.Said) - 1; i >= 0; i-- {
		part := t.c.History[t.c.Said[i].ID]
		if size += len(encode(part)); size > historySize && len(history) > 0 {
			break
		}
		history = append(slices.Clone(part), history...)
	}
	for len(history) > 0 && history[0].Role != User {
		history = history[1:]
	}
	return Request{System: system, Context: t.about(), Messages: Settled(append(history, said...)), Tools: specs, MaxTokens: answerSize}
}

// spend adds what an answer cost.
func (t *turn) spend(u Usage) {
	s := &t.c.Spent
	s.Input, s.Output, s.CacheRead, s.CacheWrite = s.Input+u.Input, s.Output+u.Output, s.CacheRead+u.CacheRead, s.CacheWrite+u.CacheWrite
	info := t.Model.Info()
	cost, _ := decimal.NewFromString(s.Cost) // nothing yet
	known := false
	for _, x := range []struct {
		tokens int64
		price  string
	}{{u.Input, info.InputPrice}, {u.Output, info.OutputPrice}, {u.CacheRead, info.CacheReadPrice}, {u.CacheWrite, info.CacheWritePrice}} {
		if price, err := decimal.NewFromString(x.price); err == nil {
			cost, known = cost.Add(price.Mul(decimal.NewFromInt(x.tokens)).Shift(-6)), true
		}
	}
	if known {
		s.Cost = cost.String()
	}
}

// unreachable says why the model does not answer, and goes on without it.
func (t *turn) unreachable(ctx context.Context, err error, begun bool) error {
	known, ok := errors.AsType[*kalla.Error](err)
	if !ok || ctx.Err() != nil {
		return err
	}
	t.say("The model does not answer: %s.", strings.TrimSuffix(known.Error(), "."))
	if known.Hint != "" {
		t.say("%s.", upper(strings.TrimSuffix(known.Hint, ".")))
	}
	t.reply.By = ""
	if begun {
		t.offerChanges()
		return nil
	}
	t.say("I go on without it.")
	if t.note != "" {
		return t.next(ctx)
	}
	return t.understand(ctx, t.lastWords())
}

func (t *turn) lastWords() string {
	for _, s := range slices.Backward(t.c.Said) {
		if s.Role == User {
			return s.Text
		}
	}
	return ""
}

// call does what the model asks for, if the phase and the schema allow it.
// What writes is not done: a button is shown.
func (t *turn) call(ctx context.Context, call ToolCall) (result ToolResult, done bool) {
	start := time.Now()
	out, err := t.dispatch(ctx, call)
	called := Called{Name: call.Name, Title: t.title(call.Name), MS: time.Since(start).Milliseconds()}
	result = ToolResult{ID: call.ID}
	if err != nil {
		called.Error = err.Error()
		if known, ok := errors.AsType[*kalla.Error](err); ok && known.Hint != "" {
			result.Content = "\nHint: " + known.Hint
		}
		result.Content, result.IsError = "<data>"+encode(maskError(err, t.sharesAll()))+"</data>"+result.Content, true
	} else {
		shares := t.shares
		if e, ok := out.(*Explained); ok && e.RunID != t.c.Work.Run { // of whichever sources
			shares = func(string) bool { return false }
		}
		text := encode(Mask(out, t.masks(), shares))
		if len(text) > resultSize {
			text = encode(text[:resultSize] + " … (cut off: ask for less)")
		}
		result.Content = "<data>" + text + "</data>"
	}
	t.reply.Tools = append(t.reply.Tools, called)
	if audit := t.sink.Audit(ctx, "chat.tool", map[string]any{"tool": call.Name, "input": auditable(call.Input), "failed": err != nil}); audit != nil && err == nil {
		result.Content, result.IsError = "it could not be noted in the audit log", true
	}
	return result, err == nil
}

// auditable is the input of a call as the audit log keeps it.
func auditable(input json.RawMessage) string {
	return clip(string(input), 2000)
}

func (t *turn) masks() Masks {
	if t.c.Masks == nil {
		t.c.Masks = Masks{}
	}
	return t.c.Masks
}

// shares reports whether the model may see the values of a source; of no source in particular, those of both sides.
func (t *turn) shares(source string) bool {
	if source == "" {
		return t.sharesAll()
	}
	return slices.Contains(t.c.Shared, source)
}

func (t *turn) sharesAll() bool {
	w := t.c.Work
	return w.Left != nil && w.Right != nil && slices.Contains(t.c.Shared, w.Left.Source) && slices.Contains(t.c.Shared, w.Right.Source)
}

// dispatch runs a tool with what the conversation is about filled in, and takes in what came of it.
func (t *turn) dispatch(ctx context.Context, call ToolCall) (any, error) {
	w := &t.c.Work
	all := Tools(t.Services)
	at := slices.IndexFunc(all, func(x Tool) bool { return x.Name == call.Name })
	if at < 0 {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "calling " + clip(call.Name, 60), Why: "there is no such tool", Hint: "use those that are listed"}
	}
	if err := w.refuse(call.Name); err != nil {
		return nil, err
	}
	input, err := t.filledIn(call.Name, t.masks().unmask(call.Input))
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
		if tool == ToolBuildRecipe {
			for _, e := range w.Edits {
				if e.Amount != "" {
					add("amount_tolerance", e.Amount)
				}
				if e.Days != nil {
					add("days_tolerance", e.Days)
				}
			}
		}
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
		if w.Draft != nil {
			add("document", w.Draft.Document)
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
		if tool == ToolBuildRecipe {
			var in BuildInput
			if json.Unmarshal(input, &in) == nil && (in.Amount != "" || in.Days != nil) {
				w.Edits = []Edit{{in.Amount, in.Days}}
			}
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
