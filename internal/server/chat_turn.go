package server

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/state"
)

// chats leads the conversations of this process. One turn is worked on at a
// time in each, whichever process it is in: its token is in the store.
type chats struct {
	*Server
	agent *agent.Agent
	hub   *hub

	mu      sync.Mutex
	running map[string]context.CancelCauseFunc // by conversation
	ended   bool                               // no turn begins any more
	turns   sync.WaitGroup
}

func newChats(s *Server) *chats {
	return &chats{
		Server:  s,
		agent:   &agent.Agent{Services: services{s}, Model: s.cfg.Model, Budget: s.cfg.Budget, Now: s.now},
		hub:     newHub(s, s.chatNews()),
		running: map[string]context.CancelCauseFunc{},
	}
}

// empty is a conversation in which nothing was said.
func (c *chats) empty() state.Chat {
	return state.Chat{Work: state.JSON("{}"), Masks: state.JSON("{}"), Spent: state.JSON("{}"), Shared: []string{}, Phase: string(agent.Greeting)}
}

// begin takes the turn of a conversation, and reads it.
func (c *chats) begin(ctx context.Context, id string) (*agent.Conversation, *sink, error) {
	out := &sink{chats: c, id: id, turn: state.NewID()}
	_, err := c.store.ChangeChat(ctx, id, func(chat *state.Chat) (state.ChatChange, error) {
		if chat.Turn != "" && chat.LeaseUntil.After(c.now()) {
			return state.ChatChange{}, state.Busy("answering", id)
		}
		until := c.now().Add(turnLease)
		chat.Turn, chat.LeaseUntil = out.turn, &until
		return state.ChatChange{Events: []state.ChatEvent{c.sessionEvent(chat)}}, nil
	})
	if err != nil {
		return nil, nil, err
	}
	conv, err := c.read(ctx, id)
	if err != nil {
		return nil, nil, errors.Join(err, out.release(ctx))
	}
	return conv, out, nil
}

// read reads a conversation as the agent needs it.
func (c *chats) read(ctx context.Context, id string) (*agent.Conversation, error) {
	chat, err := c.store.Chat(ctx, id)
	if err != nil {
		return nil, err
	}
	messages, err := c.store.ChatMessages(ctx, id)
	if err != nil {
		return nil, err
	}
	conv := &agent.Conversation{ID: id, Title: chat.Title, Shared: chat.Shared, WaitsFor: chat.WaitsFor, History: map[string][]agent.Message{}}
	for _, x := range []struct {
		from state.JSON
		to   any
	}{{chat.Work, &conv.Work}, {chat.Masks, &conv.Masks}, {chat.Spent, &conv.Spent}} {
		if err := json.Unmarshal(x.from, x.to); err != nil {
			return nil, damaged(id, err)
		}
	}
	for _, m := range messages {
		var said agent.Said
		var history []agent.Message
		if err := errors.Join(json.Unmarshal(m.Body, &said), json.Unmarshal(m.Model, &history)); err != nil {
			return nil, damaged(id, err)
		}
		conv.Said = append(conv.Said, said)
		conv.History[said.ID] = history
	}
	return conv, nil
}

// greet has the assistant say the first word.
func (c *chats) greet(ctx context.Context, id string) error {
	conv, out, err := c.begin(ctx, id)
	if err != nil {
		return err
	}
	return errors.Join(c.agent.Greet(ctx, conv, out), out.release(ctx))
}

// say takes what a person says, in the place of an earlier message of theirs if edit
// names one, and begins to answer. It returns the id of the message.
func (c *chats) say(ctx context.Context, id, text, edit string) (string, error) {
	conv, out, err := c.begin(ctx, id)
	if err != nil {
		return "", err
	}
	if edit != "" {
		if err := c.rewind(ctx, conv, out, edit); err != nil {
			return "", errors.Join(err, out.release(ctx))
		}
	}
	before, err := json.Marshal(conv.Work)
	if err != nil {
		return "", errors.Join(damaged(id, err), out.release(ctx))
	}
	said := conv.Hear(text, c.now())
	out.before = map[string]state.JSON{said.ID: before}
	if err := out.Save(ctx, conv, said.ID); err != nil {
		return "", errors.Join(err, out.release(ctx))
	}
	c.answer(ctx, conv, out, agent.Input{Text: text})
	return said.ID, nil
}

// rewind takes a conversation back to what it was before a person's message.
func (c *chats) rewind(ctx context.Context, conv *agent.Conversation, out *sink, edit string) error {
	at := slices.IndexFunc(conv.Said, func(s agent.Said) bool { return s.ID == edit && s.Role == agent.User })
	if at < 0 {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "changing the message", Where: edit, Why: "there is no such message of yours", Hint: "look at the conversation again", Err: state.ErrNotFound}
	}
	messages, err := c.store.ChatMessages(ctx, conv.ID)
	if err != nil {
		return err
	}
	var work agent.Work
	for _, m := range messages {
		if m.ID == edit {
			if err := json.Unmarshal(m.Work, &work); err != nil {
				return damaged(conv.ID, err)
			}
		}
	}
	for _, s := range conv.Said[at:] {
		out.removed = append(out.removed, s.ID)
		delete(conv.History, s.ID)
	}
	conv.Said, conv.Work, conv.WaitsFor = conv.Said[:at], work, ""
	return nil
}

// click takes a click on a card, and begins to answer.
func (c *chats) click(ctx context.Context, id string, k agent.Click) error {
	conv, out, err := c.begin(ctx, id)
	if err != nil {
		return err
	}
	message, err := conv.Answer(k)
	if err == nil {
		err = out.Save(ctx, conv, message) // no card is answered twice, whatever happens now
	}
	if err != nil {
		return errors.Join(err, out.release(ctx))
	}
	c.answer(ctx, conv, out, agent.Input{Click: &k})
	return nil
}

// answer works on a turn as whoever asked, until it is done, stopped, or the app ends.
func (c *chats) answer(ctx context.Context, conv *agent.Conversation, out *sink, in agent.Input) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended { // whoever starts next finds the turn, and says so
		cancel(context.Canceled)
		return
	}
	c.running[conv.ID] = cancel
	c.turns.Go(func() {
		defer cancel(nil)
		bounded, done := context.WithTimeout(ctx, turnTime)
		defer done()
		var helpers sync.WaitGroup
		helpers.Go(func() {
			select {
			case <-c.ending:
				cancel(context.Canceled)
			case <-bounded.Done():
			}
		})
		helpers.Go(func() { out.hold(bounded, cancel) })
		err := c.agent.Turn(bounded, conv, in, out)
		done()
		helpers.Wait()
		c.mu.Lock()
		delete(c.running, conv.ID)
		c.mu.Unlock()
		err = errors.Join(err, out.release(context.WithoutCancel(ctx)))
		if err != nil && context.Cause(ctx) == nil && !errors.Is(err, errTaken) && !errors.Is(err, context.Canceled) {
			c.logOf(ctx).Error("the assistant could not answer", "chat", conv.ID, "error", err)
		}
	})
}

// stop ends the turn of a conversation, here or wherever it is worked on.
func (c *chats) stop(ctx context.Context, id string) (*state.Chat, error) {
	c.mu.Lock()
	cancel := c.running[id]
	c.mu.Unlock()
	if cancel != nil {
		cancel(errTaken)
		// What was written so far is saved by the turn itself, which then lets go.
		for range 100 {
			chat, err := c.store.Chat(ctx, id)
			if err != nil || chat.Turn == "" {
				return chat, err
			}
			if !sleep(ctx, 20*time.Millisecond) {
				break
			}
		}
	}
	chat, err := c.store.ChangeChat(ctx, id, func(chat *state.Chat) (state.ChatChange, error) {
		chat.Turn, chat.LeaseUntil = "", nil
		return state.ChatChange{Events: []state.ChatEvent{c.sessionEvent(chat)}}, nil
	})
	c.hub.poke(id)
	return chat, err
}

// run goes on with conversations that nobody works on any more, and tells those
// that wait for a run what came of it.
func (c *chats) run(ctx context.Context) {
	defer c.turns.Wait()
	defer func() { c.mu.Lock(); c.ended = true; c.mu.Unlock() }()
	for sleep(ctx, time.Second) {
		lost, ended, err := c.store.LostChats(ctx, 10)
		if err != nil {
			if ctx.Err() == nil {
				c.log.Debug("conversations could not be looked for", "error", err)
			}
			continue
		}
		for _, id := range lost {
			c.resume(ctx, id, func(conv *agent.Conversation, out *sink) error { return c.agent.Interrupted(ctx, conv, out) })
		}
		for _, id := range ended {
			c.resume(ctx, id, func(conv *agent.Conversation, out *sink) error {
				run, err := c.store.Run(ctx, conv.WaitsFor)
				if err != nil {
					return err
				}
				view := runView(run)
				return c.agent.Turn(ctx, conv, agent.Input{Ended: &view}, out)
			})
		}
	}
}

func (c *chats) resume(ctx context.Context, id string, do func(*agent.Conversation, *sink) error) {
	conv, out, err := c.begin(ctx, id)
	if err == nil {
		err = errors.Join(do(conv, out), out.release(context.WithoutCancel(ctx)))
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, state.ErrBusy) && !errors.Is(err, state.ErrNotFound) {
		c.log.Warn("a conversation could not go on", "chat", id, "error", err)
	}
}

// sink writes what happens in a turn to the store, and tells followers.
type sink struct {
	*chats
	id, turn string
	before   map[string]state.JSON // what was established before a person's message
	removed  []string              // messages that go with the next save

	mu      sync.Mutex
	pending map[string]string // pieces of messages that are not told yet
	told    time.Time
}

// change changes the conversation while the turn is still its own.
func (s *sink) change(ctx context.Context, f func(*state.Chat) state.ChatChange) error {
	_, err := s.store.ChangeChat(ctx, s.id, func(chat *state.Chat) (state.ChatChange, error) {
		if chat.Turn != s.turn {
			return state.ChatChange{}, &kalla.Error{Code: kalla.CodeCanceled, Op: "answering", Where: s.id, Why: errTaken.Error(), Err: errTaken}
		}
		until := s.now().Add(turnLease)
		chat.LeaseUntil = &until
		return f(chat), nil
	})
	if err == nil {
		s.hub.poke(s.id)
	}
	return err
}

// Delta implements agent.Sink. Pieces are told a few times a second.
func (s *sink) Delta(ctx context.Context, messageID, text, tool string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		s.pending = map[string]string{}
	}
	s.pending[messageID] += text
	if tool == "" && s.now().Sub(s.told) < deltaTime {
		return nil
	}
	s.told = s.now()
	delta := ChatDelta{MessageID: messageID, Text: s.pending[messageID], Tool: tool}
	delete(s.pending, messageID)
	return s.change(ctx, func(*state.Chat) state.ChatChange {
		return state.ChatChange{Events: []state.ChatEvent{chatEvent(messageID, ChatEvent{Kind: "delta", Delta: &delta})}}
	})
}

// Save implements agent.Sink.
func (s *sink) Save(ctx context.Context, conv *agent.Conversation, ids ...string) error {
	var change state.ChatChange
	for _, said := range conv.Said {
		if !slices.Contains(ids, said.ID) {
			continue
		}
		body, err := json.Marshal(said)
		if err != nil {
			return damaged(s.id, err)
		}
		history, err := json.Marshal(conv.History[said.ID])
		if err != nil {
			return damaged(s.id, err)
		}
		work := s.before[said.ID]
		if work == nil {
			work = state.JSON("{}")
		}
		change.Messages = append(change.Messages, state.ChatMessage{ID: said.ID, Body: body, Model: history, Work: work})
		change.Events = append(change.Events, chatEvent(said.ID, ChatEvent{Kind: "message", Message: &said}))
	}
	if len(s.removed) > 0 {
		change.Remove = s.removed
		change.Events = append([]state.ChatEvent{chatEvent("", ChatEvent{Kind: "removed", Removed: s.removed})}, change.Events...)
	}
	var stored [3]state.JSON
	for i, v := range []any{conv.Work, conv.Masks, conv.Spent} {
		text, err := json.Marshal(v)
		if err != nil {
			return damaged(s.id, err)
		}
		stored[i] = text
	}
	err := s.change(ctx, func(chat *state.Chat) state.ChatChange {
		chat.Work, chat.Masks, chat.Spent = stored[0], stored[1], stored[2]
		if chat.Title == "" {
			chat.Title = conv.Title
		}
		chat.WaitsFor, chat.Phase = conv.WaitsFor, string(conv.Work.Phase())
		out := change
		out.Events = append(slices.Clone(change.Events), s.sessionEvent(chat))
		return out
	})
	if err == nil {
		s.removed = nil
	}
	return err
}

// Audit implements agent.Sink.
func (s *sink) Audit(ctx context.Context, action string, detail map[string]any) error {
	return s.store.Record(ctx, action, "chat", s.id, detail)
}

// hold keeps the turn, and ends it where it is no longer its own.
func (s *sink) hold(ctx context.Context, cancel context.CancelCauseFunc) {
	for sleep(ctx, turnLease/6) {
		if err := s.change(ctx, func(*state.Chat) state.ChatChange { return state.ChatChange{} }); errors.Is(err, errTaken) || errors.Is(err, state.ErrNotFound) {
			cancel(errTaken)
			return
		}
	}
}

// release gives the turn back.
func (s *sink) release(ctx context.Context) error {
	err := s.change(ctx, func(chat *state.Chat) state.ChatChange {
		chat.Turn, chat.LeaseUntil = "", nil
		return state.ChatChange{Events: []state.ChatEvent{s.sessionEvent(chat)}}
	})
	if errors.Is(err, errTaken) || errors.Is(err, state.ErrNotFound) {
		return nil // somebody has ended it, or deleted the conversation
	}
	return err
}
