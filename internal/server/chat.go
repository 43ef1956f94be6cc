package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func (s *Server) registerChat(api huma.API) {
	const chat = "assistant"
	register := func(method, path, id, summary string) huma.Operation {
		return operation(chat, method, path, id, summary, auth.Read) // what a tool does takes more where its own operation does
	}
	accepted := func(op huma.Operation) huma.Operation {
		op.DefaultStatus = http.StatusAccepted
		return op
	}
	huma.Register(api, accepted(register(http.MethodPost, "/api/chat", "chat", "Say something to the assistant; the answer comes as events")), s.chat)
	huma.Register(api, register(http.MethodGet, "/api/chat/sessions", "list-chats", "One's conversations, newest first"), s.listChats)
	huma.Register(api, register(http.MethodPost, "/api/chat/sessions", "begin-chat", "Begin a conversation"), s.beginChat)
	huma.Register(api, register(http.MethodGet, "/api/chat/sessions/{id}", "get-chat", "A conversation with its messages"), s.getChat)
	huma.Register(api, register(http.MethodPatch, "/api/chat/sessions/{id}", "change-chat", "Rename a conversation, or say whose values the model may see"), s.changeChat)
	huma.Register(api, register(http.MethodDelete, "/api/chat/sessions/{id}", "delete-chat", "Delete a conversation; what was saved and run stays"), s.deleteChat)
	huma.Register(api, register(http.MethodPost, "/api/chat/sessions/{id}/stop", "stop-chat", "Stop the answer that is being made"), s.stopChat)
	huma.Register(api, accepted(register(http.MethodPost, "/api/chat/sessions/{id}/actions", "click-chat", "Answer a card")), s.clickChat)
	follow := register(http.MethodGet, "/api/chat/sessions/{id}/events", "follow-chat", "Follow a conversation (server-sent events)")
	follow.Description = "Events called session, message, delta and removed, each a ChatEvent whose id is its number. A connection that broke goes on after Last-Event-ID. The stream has no end."
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[ChatEvent](), true, "ChatEvent")
	follow.Responses = map[string]*huma.Response{
		"200": {Description: "The events", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString, Description: "data: is a ChatEvent", Extensions: map[string]any{"x-event": schema}}}}},
	}
	huma.Register(api, follow, s.followChat)
}

// ChatPath names a conversation.
type ChatPath struct {
	ID string `path:"id" minLength:"1" maxLength:"100"`
}

// ownChat is a conversation of whoever asks. To others there is none.
func (s *Server) ownChat(ctx context.Context, id string) (*state.Chat, error) {
	c, err := s.store.Chat(ctx, id)
	if err != nil {
		return nil, err
	}
	if p := auth.PrincipalOf(ctx); p == nil || p.User.ID != c.CreatedBy {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the conversation", Where: id, Why: "there is no such conversation", Err: state.ErrNotFound}
	}
	return c, nil
}

func (s *Server) chat(ctx context.Context, in *body[ChatInput]) (*body[ChatStarted], error) {
	id := in.Body.SessionID
	if id == "" {
		if in.Body.Edit != "" {
			return nil, invalid("body.edit", "there is no conversation whose message it could be", "name it by session_id")
		}
		made, err := s.store.CreateChat(ctx, s.chats.empty(), state.ChatChange{})
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		id = made.ID
	} else if _, err := s.ownChat(ctx, id); err != nil {
		return nil, s.problem(ctx, err)
	}
	said, err := s.chats.say(ctx, id, in.Body.Message, in.Body.Edit)
	return answer(ctx, s, ChatStarted{id, said}, err)
}

func (s *Server) clickChat(ctx context.Context, in *struct {
	ChatPath
	Body agent.Click
}) (*body[ChatStarted], error) {
	_, err := s.ownChat(ctx, in.ID)
	if err == nil {
		err = s.chats.click(ctx, in.ID, in.Body)
	}
	return answer(ctx, s, ChatStarted{SessionID: in.ID}, err)
}

func (s *Server) stopChat(ctx context.Context, in *ChatPath) (*body[ChatSession], error) {
	c, err := s.ownChat(ctx, in.ID)
	if err == nil {
		c, err = s.chats.stop(ctx, in.ID)
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return answer(ctx, s, s.chatSession(c), nil)
}

func (s *Server) listChats(ctx context.Context, in *struct{ Paging }) (*list[ChatSession], error) {
	found, err := s.store.Chats(ctx, auth.PrincipalOf(ctx).User.ID, in.page())
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	items := make([]ChatSession, len(found.Items))
	for i := range found.Items {
		items[i] = s.chatSession(&found.Items[i])
	}
	return pageOf(&in.Paging, items, found.Next), nil
}

func (s *Server) beginChat(ctx context.Context, in *body[ChatSessionInput]) (*body[ChatDetail], error) {
	c := s.chats.empty()
	in.Body.apply(&c)
	made, err := s.store.CreateChat(ctx, c, state.ChatChange{})
	if err == nil {
		err = s.chats.greet(ctx, made.ID)
	}
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return s.getChat(ctx, &ChatPath{made.ID})
}

func (in *ChatSessionInput) apply(c *state.Chat) {
	if in.Title != nil {
		c.Title = *in.Title
	}
	if in.ShareValues != nil {
		c.Shared = slices.Clone(*in.ShareValues)
	}
}

func (s *Server) getChat(ctx context.Context, in *ChatPath) (*body[ChatDetail], error) {
	c, err := s.ownChat(ctx, in.ID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	messages, err := s.store.ChatMessages(ctx, in.ID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out := ChatDetail{s.chatSession(c), make([]agent.Said, len(messages))}
	for i, m := range messages {
		if err := json.Unmarshal(m.Body, &out.Messages[i]); err != nil {
			return nil, s.problem(ctx, damaged(in.ID, err))
		}
	}
	return &body[ChatDetail]{out}, nil
}

func damaged(id string, err error) error {
	return &kalla.Error{Code: kalla.CodeInternal, Op: "reading the conversation", Where: id, Err: err}
}

func (s *Server) changeChat(ctx context.Context, in *struct {
	ChatPath
	Body ChatSessionInput
}) (*body[ChatSession], error) {
	_, err := s.ownChat(ctx, in.ID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	c, err := s.store.ChangeChat(ctx, in.ID, func(c *state.Chat) (state.ChatChange, error) {
		in.Body.apply(c)
		change := state.ChatChange{Events: []state.ChatEvent{s.sessionEvent(c)}}
		if in.Body.ShareValues != nil {
			change.Action, change.Detail = "chat.share", map[string]any{"sources": c.Shared}
		}
		return change, nil
	})
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	s.chats.hub.poke(in.ID)
	return answer(ctx, s, s.chatSession(c), nil)
}

func (s *Server) deleteChat(ctx context.Context, in *ChatPath) (*body[Done], error) {
	_, err := s.ownChat(ctx, in.ID)
	if err == nil {
		_, err = s.chats.stop(ctx, in.ID)
	}
	if err == nil {
		err = s.store.DeleteChat(ctx, in.ID)
	}
	return answer(ctx, s, Done{true, "conversation deleted"}, err)
}

// chatSession is a conversation as its owner sees it.
func (s *Server) chatSession(c *state.Chat) ChatSession {
	var work agent.Work
	var spent agent.Spent
	// What cannot be read is a conversation that has established nothing; getChat says so.
	_ = json.Unmarshal(c.Work, &work)
	_ = json.Unmarshal(c.Spent, &spent)
	out := ChatSession{ID: c.ID, Title: c.Title, Phase: work.Phase(), Status: agent.Idle, Left: work.Left, Right: work.Right, RunID: work.Run,
		Spent: spent, ShareValues: c.Shared, LastEvent: c.LastEvent, Created: c.CreatedAt, Updated: c.UpdatedAt}
	if out.ShareValues == nil {
		out.ShareValues = []string{}
	}
	if c.Turn != "" {
		out.Status = agent.Working
	}
	if work.Saved != nil {
		out.RecipeID = work.Saved.RecipeID
	}
	if s.cfg.Model != nil {
		info := s.cfg.Model.Info()
		out.Model = info.Model
		if s.cfg.Budget != (agent.Budget{}) {
			out.Budget = &s.cfg.Budget
		}
	}
	done := true
	for _, p := range agent.Phases() {
		done = done && p != out.Phase
		out.Phases = append(out.Phases, ChatPhase{Phase: p, Title: p.Title(), Done: done})
	}
	return out
}

// sessionEvent tells followers of a conversation what it is now.
func (s *Server) sessionEvent(c *state.Chat) state.ChatEvent {
	session := s.chatSession(c)
	session.LastEvent = 0 // the event's own number says it
	return chatEvent("", ChatEvent{Kind: "session", Session: &session})
}

// chatEvent is an event as it is stored: without its number, which is added when it is read.
func chatEvent(messageID string, e ChatEvent) state.ChatEvent {
	text, err := json.Marshal(e)
	if err != nil { // it is made of texts and numbers
		panic(err)
	}
	return state.ChatEvent{Kind: e.Kind, MessageID: messageID, Data: text}
}

// chatNews is the feed of the events of conversations.
func (s *Server) chatNews() feed {
	return feed{last: s.store.LastChatEvents, events: func(ctx context.Context, id string, after int64) ([]news, error) {
		events, err := s.store.ChatEvents(ctx, id, after, replayed)
		out := make([]news, 0, len(events))
		for _, e := range events {
			var body ChatEvent
			if err := json.Unmarshal(e.Data, &body); err != nil {
				return out, damaged(id, err)
			}
			body.Seq = e.Seq
			text, err := json.Marshal(body)
			if err != nil {
				return out, damaged(id, err)
			}
			out = append(out, news{seq: e.Seq, frame: []byte("id: " + strconv.FormatInt(e.Seq, 10) + "\nevent: " + e.Kind + "\ndata: " + string(text) + "\n\n")})
		}
		return out, err
	}}
}

// followChat replays what somebody has missed, and then tells what happens.
func (s *Server) followChat(ctx context.Context, in *struct {
	ChatPath
	LastEventID string `header:"Last-Event-ID"`
	After       int64  `query:"last_event_id" minimum:"0" doc:"Instead of the header"`
}) (*huma.StreamResponse, error) {
	after := in.After
	if in.LastEventID != "" {
		n, err := strconv.ParseInt(in.LastEventID, 10, 64)
		if err != nil || n < 0 {
			return nil, invalid("header.Last-Event-ID", "is not the number of an event", "send the id of the last event, or nothing")
		}
		after = n
	}
	c, err := s.ownChat(ctx, in.ID)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		s.chats.hub.serve(hc.Context(), w, in.ID, after, c.LastEvent)
	}}, nil
}

// errTaken is that another request, or a person who stopped it, ended a turn.
var errTaken = errors.New("the turn was ended")

const (
	turnTime  = 10 * time.Minute // that an answer may take
	turnLease = 30 * time.Second // after which a turn without a sign of life is given up
	deltaTime = 150 * time.Millisecond
)
