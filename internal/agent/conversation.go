package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"kalla"
	"kalla/internal/job"
)

// Conversation is a conversation with all that was said in it.
type Conversation struct {
	ID       string
	Title    string
	Work     Work
	Said     []Said               // oldest first
	History  map[string][]Message // by the id of a Said: what of it the model sees
	Shared   []string             // aliases of the sources whose values the model may see
	Masks    Masks
	Spent    Spent
	WaitsFor string // id of a run whose end it is to be told
}

// Input is what a turn answers: exactly one field is set.
type Input struct {
	Text  string
	Click *Click
	Ended *Run // a run that the conversation waited for
}

// Sink takes what happens in a turn.
type Sink interface {
	// Delta tells what is being written, or done, before the message is whole.
	Delta(ctx context.Context, messageID, text, tool string) error
	// Save stores the conversation and the messages of these ids. What is not saved was not said.
	Save(ctx context.Context, c *Conversation, messageIDs ...string) error
	// Audit notes that a person or the assistant did something.
	Audit(ctx context.Context, action string, detail map[string]any) error
}

// Agent leads conversations. Without a Model, and where it is not to be had, it
// answers by itself: see understand. It may be used by many goroutines.
type Agent struct {
	Services Services
	Model    Model // nil: none
	Budget   Budget
	Now      func() time.Time
}

// turn is one answer.
type turn struct {
	*Agent
	c     *Conversation
	sink  Sink
	reply *Said    // being made
	cards int      // shown so far
	dirty []string // ids of other messages that changed
	phase Phase    // at the beginning
	note  string   // what the model is told of a click
	tools []Tool
}

// NewID returns an id that sorts by time.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Hear adds what the person said to the conversation, and returns it.
func (c *Conversation) Hear(text string, now time.Time) Said {
	s := Said{ID: NewID(), Role: User, Text: text, At: now.UTC()}
	c.Said = append(c.Said, s)
	c.History[s.ID] = []Message{{Role: User, Parts: []Part{{Text: text}}}}
	if c.Title == "" {
		c.Title = clip(text, 80)
	}
	return s
}

func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n-1])) + "…"
	}
	return s
}

// Answer marks a card as clicked, and says what is wrong with the click: it is
// for a card that is there, takes such a click, and has not been clicked.
func (c *Conversation) Answer(k Click) (messageID string, err error) {
	wrong := func(why, hint string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "answering the card", Where: k.Card, Why: why, Hint: hint}
	}
	m, card := c.card(k.Card)
	switch {
	case card == nil:
		return "", wrong("there is no such card", "look at the conversation again")
	case !card.Open:
		return "", wrong("the card is closed: it was answered, or the conversation has gone on", "use the latest cards")
	case !slices.Contains(clicks[card.Kind], k.Action):
		return "", wrong(string(k.Action)+" is not for a "+string(card.Kind), "")
	case card.Kind == CardChoice && !slices.ContainsFunc(card.Choice.Options, func(o Option) bool { return o.ID == k.Option }):
		return "", wrong("there is no option "+k.Option, "choose one of the card's")
	case card.Kind == CardRuleSummary && k.Action == ActChoose && !card.RuleSummary.offers(k.Option):
		return "", wrong("there is no alternative "+k.Option, "choose one of the card's")
	case (k.Action == ActDrop || k.Action == ActRestore) && !card.RuleSummary.lists(k.Rules, k.Action == ActRestore):
		return "", wrong("rules names none of the card's, or one that cannot be dropped or taken back", "name them by their ids")
	case k.Action == ActUploaded && k.Upload == "":
		return "", wrong("upload_id is missing", "confirm the upload first")
	}
	card.Open, card.Answer = false, &k
	return m.ID, nil
}

// clicks says which actions a kind of card takes.
var clicks = map[CardKind][]Action{
	CardMatchProposal: {ActAccept, ActReject, ActSkip},
	CardUploadRequest: {ActUploaded, ActSkip},
	CardRuleSummary:   {ActKeep, ActDrop, ActRestore, ActChoose},
	CardConfirm:       {ActApprove, ActDecline},
	CardChoice:        {ActChoose},
}

// offers reports whether a rule has an alternative.
func (s *RuleSummary) offers(alternative string) bool {
	return slices.ContainsFunc(s.Rules, func(r Rule) bool {
		return slices.ContainsFunc(r.Alternatives, func(o Option) bool { return o.ID == alternative })
	})
}

// lists reports whether all of these are rules that are dropped, or are not, and that there are any.
func (s *RuleSummary) lists(ids []string, dropped bool) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool {
		return !slices.ContainsFunc(s.Rules, func(r Rule) bool { return r.ID == id && r.Dropped == dropped })
	})
}

func (c *Conversation) card(id string) (*Said, *Card) {
	for i := range c.Said {
		for k := range c.Said[i].Cards {
			if c.Said[i].Cards[k].ID == id {
				return &c.Said[i], &c.Said[i].Cards[k]
			}
		}
	}
	return nil, nil
}

// Greet begins a conversation with a word of the assistant's own.
func (a *Agent) Greet(ctx context.Context, c *Conversation, sink Sink) error {
	t := a.turn(c, sink)
	t.say("Hello. Tell me what you would like to reconcile, such as *invoices with payments*. I look at the data, propose rules and try them; you decide, and nothing is saved or run without your click.")
	if err := t.offerSources(ctx); err != nil {
		return err
	}
	return t.end(ctx)
}

// Interrupted tells that an answer broke off because the program that made it ended.
func (a *Agent) Interrupted(ctx context.Context, c *Conversation, sink Sink) error {
	t := a.turn(c, sink)
	t.say("I was interrupted. Nothing is lost that you see here.")
	t.offer("", Option{ID: "next", Label: "Go on"})
	return t.end(ctx)
}

func (a *Agent) turn(c *Conversation, sink Sink) *turn {
	now := a.Now
	if now == nil {
		now = time.Now
	}
	t := &turn{Agent: a, c: c, sink: sink, tools: Tools(a.Services), phase: c.Work.Phase(), reply: &Said{ID: NewID(), Role: Assistant, At: now().UTC()}}
	if c.History == nil {
		c.History = map[string][]Message{}
	}
	return t
}

// Turn answers. The person's words are in the conversation already (see Hear),
// or the click (see Answer). What cannot be done is said in the conversation;
// an error is one of the sink, or of a context that ended: then what was written so far is saved.
func (a *Agent) Turn(ctx context.Context, c *Conversation, in Input, sink Sink) error {
	t := a.turn(c, sink)
	err := t.answer(ctx, in)
	if err != nil && ctx.Err() == nil {
		err = t.failed(err)
	}
	if ctx.Err() != nil {
		t.reply.Partial = true
		return errors.Join(ctx.Err(), t.end(context.WithoutCancel(ctx)))
	}
	return errors.Join(err, t.end(ctx))
}

func (t *turn) answer(ctx context.Context, in Input) error {
	switch {
	case in.Ended != nil:
		return t.ended(*in.Ended)
	case in.Click != nil:
		if err := t.sink.Audit(ctx, "chat.click", map[string]any{"card": in.Click.Card, "action": in.Click.Action, "option": in.Click.Option}); err != nil {
			return err
		}
		return t.clicked(ctx, *in.Click)
	}
	t.c.Work.Greeted = true
	if t.thinks() {
		return t.think(ctx)
	}
	return t.understand(ctx, in.Text)
}

// end closes what is past, and saves.
func (t *turn) end(ctx context.Context) error {
	ids := t.dirty
	spoke := t.reply.Text != "" || len(t.reply.Cards) > 0
	phase := t.c.Work.Phase()
	for i := range t.c.Said {
		m := &t.c.Said[i]
		for k := range m.Cards {
			if card := &m.Cards[k]; card.Open && t.past(card, phase, spoke) {
				card.Open = false
				ids = append(ids, m.ID)
			}
		}
	}
	if phase != t.phase {
		t.c.Work.Failed = 0
	}
	if spoke {
		t.c.Said = append(t.c.Said, *t.reply)
		ids = append(ids, t.reply.ID)
		if t.c.History[t.reply.ID] == nil {
			t.c.History[t.reply.ID] = t.told(*t.reply)
		}
	}
	slices.Sort(ids)
	return t.sink.Save(ctx, t.c, slices.Compact(ids)...)
}

// past reports whether a card of an earlier message has become pointless.
func (t *turn) past(card *Card, phase Phase, spoke bool) bool {
	switch card.Kind {
	case CardMatchProposal:
		return phase != Demonstration
	case CardUploadRequest:
		return phase != Greeting && phase != Intent
	default:
		return spoke
	}
}

// told is what the model is told of a message that was not its own. Such a
// message may quote records: what the model may not see is left out.
func (t *turn) told(s Said) []Message {
	text := "[answered without the model]"
	if t.sharesAll() {
		text = s.Text
	}
	for _, c := range s.Cards {
		text += "\n[shown: " + string(c.Kind) + "]"
	}
	return []Message{{Role: Assistant, Parts: []Part{{Text: strings.TrimSpace(text)}}}}
}

func (t *turn) say(format string, args ...any) {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	if t.reply.Text != "" {
		t.reply.Text += "\n\n"
	}
	t.reply.Text += text
}

// show adds a card to the answer, in the place of an earlier one that it outdates.
func (t *turn) show(c Card) {
	switch c.Kind {
	case CardRuleSummary, CardRecipeDiff, CardBacktest, CardChoice:
		t.reply.Cards = slices.DeleteFunc(t.reply.Cards, func(x Card) bool { return x.Kind == c.Kind })
	case CardSampleTable:
		t.reply.Cards = slices.DeleteFunc(t.reply.Cards, func(x Card) bool { return x.Kind == c.Kind && x.SampleTable.Source == c.SampleTable.Source })
	default:
	}
	t.cards++
	c.ID = fmt.Sprintf("%s-%d", t.reply.ID, t.cards)
	_, c.Open = clicks[c.Kind]
	t.reply.Cards = append(t.reply.Cards, c)
}

func (t *turn) offer(question string, options ...Option) {
	if len(options) > 0 {
		t.show(Card{Kind: CardChoice, Choice: &Choice{Question: question, Options: options}})
	}
}

// doing tells what takes a while.
func (t *turn) doing(ctx context.Context, tool string) error {
	return t.sink.Delta(ctx, t.reply.ID, "", t.title(tool))
}

func (t *turn) title(tool string) string {
	for _, x := range t.tools {
		if x.Name == tool {
			return x.Title
		}
	}
	return tool
}

// failed says what could not be done, and what to do about it. When that has
// happened more often than the phase bears, only ways out are offered.
func (t *turn) failed(err error) error {
	known, ok := errors.AsType[*kalla.Error](err)
	internal := !ok || known.Code == kalla.CodeInternal
	if internal { // what failed inside is for the log
		known = &kalla.Error{Why: "a fault of Kalla's own, which its log describes"}
	}
	t.c.Work.Failed++
	why := known.Error()
	if faults, ok := errors.AsType[kalla.Faults](err); ok && len(faults) > 0 {
		why = faults[0].String()
	}
	t.say("That did not work: %s.", strings.TrimSuffix(why, "."))
	if known.Hint != "" {
		t.say("%s.", upper(strings.TrimSuffix(known.Hint, ".")))
	}
	phase := t.c.Work.Phase()
	var options []Option
	if t.c.Work.Failed <= stageOf(phase).retries {
		options = append(options, Option{ID: "next", Label: "Try again"})
	}
	if at := slices.Index(Phases(), phase); at > 1 {
		before := stages[at-1]
		options = append(options, Option{ID: "back:" + string(before.phase), Label: "Back to: " + before.title})
	}
	options = append(options, Option{ID: "back:" + string(Greeting), Label: "Begin anew"})
	t.offer("", options...)
	if internal {
		return err
	}
	return nil
}

func upper(s string) string {
	r := []rune(s)
	if len(r) > 0 {
		r[0] = []rune(strings.ToUpper(string(r[0])))[0]
	}
	return string(r)
}

// digest names a text by what it says.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// clicked does what a click asks for.
func (t *turn) clicked(ctx context.Context, k Click) error {
	_, card := t.c.card(k.Card)
	w := &t.c.Work
	switch card.Kind {
	case CardMatchProposal:
		if k.Action != ActSkip {
			w.Decide(job.Example{Left: card.MatchProposal.Left.Key, Right: card.MatchProposal.Right.Key, Match: k.Action == ActAccept})
		}
		if t.openProposals() > 0 {
			return nil // the next ones are still to be answered
		}
		w.Shown = true
		return t.goOn(ctx, "they have answered all pairs that were shown")
	case CardUploadRequest:
		if k.Action == ActSkip {
			t.say("All right, without that file. Which sources do you want to reconcile?")
			return t.offerSources(ctx)
		}
		src, err := t.Services.KeepUpload(ctx, k.Upload, k.Alias)
		if err != nil {
			return err
		}
		return t.uploaded(ctx, card.UploadRequest.Side, src)
	case CardRuleSummary:
		switch k.Action {
		case ActDrop:
			w.Drop(k.Rules...)
			return t.goOn(ctx, "draft the rules again without those that were dropped")
		case ActRestore:
			w.TakeBack(k.Rules...)
			return t.goOn(ctx, "draft the rules again with those that were taken back")
		case ActChoose:
			w.Take(k.Option)
			return t.goOn(ctx, "draft the rules again with the alternative that was chosen")
		default:
		}
		w.Agreed = true
		return t.goOn(ctx, "the rules are right")
	case CardConfirm:
		if k.Action == ActDecline {
			t.say("Nothing was done. What should be different?")
			t.offerChanges()
			return nil
		}
		return t.approved(ctx, card)
	case CardChoice:
		return t.do(ctx, k.Option)
	}
	return nil
}

func (t *turn) openProposals() (n int) {
	for _, m := range t.c.Said {
		for _, c := range m.Cards {
			if c.Kind == CardMatchProposal && c.Open {
				n++
			}
		}
	}
	return n
}
