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
		var written strings.Builder
		reply, err := t.Model.Stream(ctx, t.request(said), func(d Delta) {
			text, tool := d.Text, ""
			written.WriteString(text)
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
			if text := strings.TrimSpace(written.String()); text != "" { // it broke off
				t.say("%s", text)
				t.reply.Partial = true
				said = append(said, Message{Role: Assistant, Parts: []Part{{Text: text}}})
			}
			keep()
			return t.unreachable(ctx, err, t.reply.Partial || len(t.reply.Cards) > 0)
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
	for _, x := range t.tools {
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
		result.Content, result.IsError = "<data>"+encode(maskError(err, t.masks(), t.sharesAll()))+"</data>"+result.Content, true
	} else {
		shares := t.shares
		if e, ok := out.(*Explained); ok && e.RunID != t.c.Work.Run { // of whichever sources
			shares = func(string) bool { return false }
		}
		text := encode(t.veil(shares).result(out))
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

// veil is what the model sees the results of tools through.
func (t *turn) veil(shares func(string) bool) *veil {
	v := newVeil(t.masks(), shares)
	v.said = func(value string) bool {
		return slices.ContainsFunc(t.c.Said, func(s Said) bool {
			return s.Role == User && strings.Contains(strings.ToLower(s.Text), strings.ToLower(value))
		})
	}
	return v
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
