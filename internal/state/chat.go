package state

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"kalla"
)

// Chat is a conversation with the assistant. What it has established, and what
// was said, is JSON of package agent, which the store keeps and does not read.
type Chat struct {
	bun.BaseModel `bun:"table:chats"`

	ID         string     `bun:"id,pk"`
	Title      string     `bun:"title"`
	Work       JSON       `bun:"work"`
	Masks      JSON       `bun:"masks"`  // tokens that stand for values towards the model
	Shared     []string   `bun:"shared"` // sources whose values the model may see
	Spent      JSON       `bun:"spent"`
	Phase      string     `bun:"phase"`     // as of the last change, for lists
	Turn       string     `bun:"turn"`      // who is answering; empty: nobody
	WaitsFor   string     `bun:"waits_for"` // a run whose end it is to be told
	LastEvent  int64      `bun:"last_event"`
	CreatedBy  string     `bun:"created_by"`
	LeaseUntil *time.Time `bun:"lease_until"` // until then the turn is being worked on; nil where there is none
	CreatedAt  time.Time  `bun:"created_at"`
	UpdatedAt  time.Time  `bun:"updated_at"`
}

// ChatMessage is one message. Its id sorts by time.
type ChatMessage struct {
	bun.BaseModel `bun:"table:chat_messages"`

	ChatID string `bun:"chat_id,pk"`
	ID     string `bun:"id,pk"`
	Body   JSON   `bun:"body"`  // as people see it
	Model  JSON   `bun:"model"` // as the model sees it
	Work   JSON   `bun:"work"`  // before it, where it is a person's
}

// ChatEvent is something that followers of a conversation are told.
type ChatEvent struct {
	bun.BaseModel `bun:"table:chat_events"`

	ChatID    string `bun:"chat_id,pk"`
	Seq       int64  `bun:"seq,pk"`     // from 1; numbers are missing where a later event says all that one did
	Kind      string `bun:"kind"`       // session, message, delta or removed
	MessageID string `bun:"message_id"` // of message and delta
	Data      JSON   `bun:"data"`
}

// ChatChange is what happens to a conversation in one transaction, beside what
// changes of the Chat itself.
type ChatChange struct {
	Messages []ChatMessage // new ones, and those in place of one of the same id
	Remove   []string      // ids of messages that go
	Events   []ChatEvent   // to be numbered
	Action   string        // for the audit log: "chat.click"; empty: nothing that a person or a tool did
	Detail   map[string]any
}

// CreateChat adds a conversation of whoever makes it, with its first messages.
func (s *Store) CreateChat(ctx context.Context, c Chat, change ChatChange) (*Chat, error) {
	c.ID = newID()
	c.CreatedAt, c.CreatedBy = s.clock(), actor(ctx).ID
	c.UpdatedAt = c.CreatedAt
	made := c
	err := s.change(ctx, "beginning the conversation", func(ctx context.Context, tx bun.Tx) error {
		made = c
		if _, err := tx.NewInsert().Model(&made).Exec(ctx); err != nil {
			return err
		}
		change.Action = "chat.begin"
		return s.applyChat(ctx, tx, &made, change)
	})
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// ChangeChat changes a conversation: f gets it as it is, changes it, and says
// what else happens. It may be called again, from the start. An error of f's is returned, and nothing is done.
func (s *Store) ChangeChat(ctx context.Context, id string, f func(*Chat) (ChatChange, error)) (*Chat, error) {
	const op = "changing the conversation"
	var c *Chat
	err := s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		c = &Chat{}
		err := s.forUpdate(tx.NewSelect().Model(c).Where("id = ?", id)).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return notFound(op, "conversation", id)
		}
		if err != nil {
			return err
		}
		change, err := f(c)
		if err != nil {
			return err
		}
		return s.applyChat(ctx, tx, c, change)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (s *Store) applyChat(ctx context.Context, tx bun.Tx, c *Chat, change ChatChange) error {
	if len(change.Remove) > 0 {
		for _, model := range []any{(*ChatMessage)(nil), (*ChatEvent)(nil)} {
			column := "id"
			if _, ok := model.(*ChatEvent); ok {
				column = "message_id"
			}
			if _, err := tx.NewDelete().Model(model).Where("chat_id = ?", c.ID).Where("? IN (?)", bun.Ident(column), bun.List(change.Remove)).Exec(ctx); err != nil {
				return err
			}
		}
	}
	for _, m := range change.Messages {
		m.ChatID = c.ID
		if _, err := tx.NewInsert().Model(&m).On("CONFLICT (chat_id, id) DO UPDATE").
			Set("body = EXCLUDED.body, model = EXCLUDED.model, work = EXCLUDED.work").Exec(ctx); err != nil {
			return err
		}
	}
	for _, e := range change.Events {
		// Whoever comes later needs the latest of these only.
		if e.Kind == "session" || e.Kind == "message" {
			q := tx.NewDelete().Model((*ChatEvent)(nil)).Where("chat_id = ?", c.ID).Where("message_id = ?", e.MessageID)
			if e.Kind == "session" {
				q = q.Where("kind = 'session'")
			}
			if _, err := q.Exec(ctx); err != nil {
				return err
			}
		}
		c.LastEvent++
		e.ChatID, e.Seq = c.ID, c.LastEvent
		if _, err := tx.NewInsert().Model(&e).Exec(ctx); err != nil {
			return err
		}
	}
	c.UpdatedAt = s.clock()
	if c.LeaseUntil != nil {
		until := micros(*c.LeaseUntil)
		c.LeaseUntil = &until
	}
	if _, err := tx.NewUpdate().Model(c).ExcludeColumn("id", "created_by", "created_at").WherePK().Exec(ctx); err != nil {
		return err
	}
	if change.Action == "" {
		return nil
	}
	return s.audit(ctx, tx, change.Action, "chat", c.ID, change.Detail)
}

// Chat returns a conversation.
func (s *Store) Chat(ctx context.Context, id string) (*Chat, error) {
	return one[Chat](ctx, s, "reading the conversation", "conversation", id, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("id = ?", id) })
}

// Chats returns the conversations of a user, the newest first.
func (s *Store) Chats(ctx context.Context, createdBy string, p Page) (List[Chat], error) {
	return page(ctx, s, "listing the conversations", p, "id", func(x *Chat) (time.Time, string) { return x.CreatedAt, x.ID },
		func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("created_by = ?", createdBy) })
}

// ChatMessages returns the messages of a conversation, the oldest first.
func (s *Store) ChatMessages(ctx context.Context, id string) ([]ChatMessage, error) {
	messages := []ChatMessage{}
	err := s.query(ctx, "reading the conversation", func(ctx context.Context) error {
		messages = messages[:0]
		return s.read.NewSelect().Model(&messages).Where("chat_id = ?", id).OrderBy("id", bun.OrderAsc).Scan(ctx)
	})
	return messages, err
}

// DeleteChat removes a conversation and all that was said in it.
func (s *Store) DeleteChat(ctx context.Context, id string) error {
	const op = "deleting the conversation"
	return s.change(ctx, op, func(ctx context.Context, tx bun.Tx) error {
		ok, err := changed(tx.NewDelete().Model((*Chat)(nil)).Where("id = ?", id).Exec(ctx))
		if err != nil {
			return err
		}
		if !ok {
			return notFound(op, "conversation", id)
		}
		return s.audit(ctx, tx, "chat.delete", "chat", id, nil)
	})
}

// ChatEvents returns up to limit events of a conversation after a number, in order. There may be more.
func (s *Store) ChatEvents(ctx context.Context, id string, after int64, limit int) ([]ChatEvent, error) {
	events := []ChatEvent{}
	err := s.query(ctx, "reading the events of the conversation", func(ctx context.Context) error {
		events = events[:0]
		return s.read.NewSelect().Model(&events).Where("chat_id = ?", id).Where("seq > ?", after).OrderBy("seq", bun.OrderAsc).Limit(Page{Limit: limit}.limit()).Scan(ctx)
	})
	return events, err
}

// LastChatEvents returns the number of the latest event of each of the conversations that there are.
func (s *Store) LastChatEvents(ctx context.Context, ids []string) (map[string]int64, error) {
	last := make(map[string]int64, len(ids))
	err := s.query(ctx, "looking for news of conversations", func(ctx context.Context) error {
		clear(last)
		var chats []Chat
		err := s.read.NewSelect().Model(&chats).Column("id", "last_event").Where("id IN (?)", bun.List(ids)).Scan(ctx)
		for _, c := range chats {
			last[c.ID] = c.LastEvent
		}
		return err
	})
	return last, err
}

// LostChats are conversations whose turn nobody works on any more, and those
// that wait for a run that has ended: ids, the oldest first.
func (s *Store) LostChats(ctx context.Context, limit int) (lost, ended []string, err error) {
	err = s.query(ctx, "looking for conversations to go on with", func(ctx context.Context) error {
		lost, ended = nil, nil
		if err := s.read.NewSelect().Model((*Chat)(nil)).Column("id").Where("lease_until <= ?", s.clock()).OrderBy("lease_until", bun.OrderAsc).
			Limit(int64(limit)).Scan(ctx, &lost); err != nil {
			return err
		}
		return s.read.NewSelect().Model((*Chat)(nil)).Column("id").Where("turn = ''").
			Where("waits_for IN (SELECT run_id FROM runs WHERE state IN (?))", bun.List([]RunState{Completed, Failed, Cancelled})).
			Where("waits_for <> ''").OrderBy("updated_at", bun.OrderAsc).Limit(int64(limit)).Scan(ctx, &ended)
	})
	return lost, ended, err
}

// NewID returns an id that sorts by time, for a message.
func NewID() string { return newID() }

// Busy is the error of a conversation in which somebody is answering already.
func Busy(op, id string) error {
	return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: id, Why: "the assistant is answering", Err: ErrBusy, Hint: "wait for the answer, or stop it"}
}
