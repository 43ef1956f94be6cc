package statetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"kalla/internal/state"
)

func chat(title string) state.Chat {
	return state.Chat{Title: title, Work: state.JSON(`{ "left": "<&>"}`), Masks: state.JSON(`{}`), Shared: []string{}, Spent: state.JSON(`{}`), Phase: "greeting"}
}

func said(id, text string) state.ChatMessage {
	return state.ChatMessage{ID: id, Body: state.JSON(fmt.Sprintf("%q", text)), Model: state.JSON(`[]`), Work: state.JSON(`{}`)}
}

// testChats: conversations are their owners', change whole or not at all, and
// tell followers what they need and no more.
func testChats(t *testing.T, url string) {
	clock := NewClock()
	s := Open(t, url, clock.Now)
	ada, bob := as(t.Context(), "ada"), as(t.Context(), "bob")

	made := must(s.CreateChat(ada, chat("first"), state.ChatChange{Messages: []state.ChatMessage{said("1", "hello")}, Events: []state.ChatEvent{{Kind: "message", MessageID: "1", Data: state.JSON(`1`)}}}))(t)
	must(s.CreateChat(bob, chat("other"), state.ChatChange{}))(t)
	equal(t, "events", made.LastEvent, 1)
	mine := must(s.Chats(ada, "ada", state.Page{}))(t).Items
	if len(mine) != 1 || mine[0].ID != made.ID || string(mine[0].Work) != `{ "left": "<&>"}` || !mine[0].CreatedAt.Equal(clock.Now().Truncate(time.Microsecond)) {
		t.Fatalf("conversations of ada: %+v", mine)
	}

	// Of many who begin to answer one does.
	var wg sync.WaitGroup
	begun := make([]bool, 8)
	for i := range begun {
		wg.Go(func() {
			_, err := s.ChangeChat(ada, made.ID, func(c *state.Chat) (state.ChatChange, error) {
				if c.Turn != "" {
					return state.ChatChange{}, state.Busy("answering", c.ID)
				}
				until := clock.Now().Add(time.Minute)
				c.Turn, c.LeaseUntil = fmt.Sprint(i), &until
				return state.ChatChange{Messages: []state.ChatMessage{said("2", fmt.Sprint(i))}}, nil
			})
			begun[i] = err == nil
			if err != nil && !errors.Is(err, state.ErrBusy) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, b := range begun {
		if b {
			n++
		}
	}
	equal(t, "turns that began", n, 1)

	// Pieces of a message go when it is whole; numbers go on.
	change := func(c state.ChatChange) *state.Chat {
		return must(s.ChangeChat(ada, made.ID, func(*state.Chat) (state.ChatChange, error) { return c, nil }))(t)
	}
	change(state.ChatChange{Events: []state.ChatEvent{{Kind: "session", Data: state.JSON(`1`)}, {Kind: "delta", MessageID: "3", Data: state.JSON(`"a"`)}, {Kind: "delta", MessageID: "3", Data: state.JSON(`"b"`)}}})
	c := change(state.ChatChange{Messages: []state.ChatMessage{said("3", "ab")}, Events: []state.ChatEvent{{Kind: "message", MessageID: "3", Data: state.JSON(`"ab"`)}, {Kind: "session", Data: state.JSON(`2`)}}})
	equal(t, "last event", c.LastEvent, 6)
	kinds := ""
	for _, e := range must(s.ChatEvents(ada, made.ID, 0, 100))(t) {
		kinds += fmt.Sprint(e.Seq, e.Kind, " ")
	}
	equal(t, "events", kinds, "1message 5message 6session ")
	equal(t, "latest", must(s.LastChatEvents(ada, []string{made.ID, "none"}))(t)[made.ID], 6)

	// What is taken back is gone, for followers too.
	change(state.ChatChange{Remove: []string{"2", "3"}, Messages: []state.ChatMessage{said("1", "hello again")}})
	left := must(s.ChatMessages(ada, made.ID))(t)
	if len(left) != 1 || string(left[0].Body) != `"hello again"` {
		t.Errorf("messages %+v", left)
	}
	equal(t, "events left", len(must(s.ChatEvents(ada, made.ID, 0, 100))(t)), 2)

	// A turn whose lease is over is found; so is a run that ended.
	lost, ended, err := s.LostChats(ada, 10)
	ok(t, err)
	equal(t, "lost", len(lost)+len(ended), 0)
	clock.Pass(2 * time.Minute)
	lost, _, err = s.LostChats(ada, 10)
	ok(t, err)
	if len(lost) != 1 || lost[0] != made.ID {
		t.Errorf("lost %v", lost)
	}
	must(s.ChangeChat(ada, made.ID, func(c *state.Chat) (state.ChatChange, error) {
		c.Turn, c.LeaseUntil, c.WaitsFor = "", nil, "run"
		return state.ChatChange{Action: "chat.click", Detail: map[string]any{"card": "1"}}, nil
	}))(t)
	_, _, err = s.CreateRun(ada, state.NewRun{RunID: "run", RecipeID: "r", Document: state.JSON(`{}`), Lease: time.Hour})
	ok(t, err)
	if _, ended, err = s.LostChats(ada, 10); err != nil || len(ended) != 0 {
		t.Errorf("ended %v %v", ended, err)
	}
	_, _, err = s.Advance(ada, "run", state.CancelRequested{})
	ok(t, err)
	if _, ended, err = s.LostChats(ada, 10); err != nil || len(ended) != 1 || ended[0] != made.ID {
		t.Errorf("ended %v %v", ended, err)
	}

	// An error leaves everything as it was.
	broken := errors.New("no")
	_, err = s.ChangeChat(ada, made.ID, func(c *state.Chat) (state.ChatChange, error) { c.Title = "x"; return state.ChatChange{}, broken })
	wantErr(t, err, broken)
	equal(t, "title", must(s.Chat(ada, made.ID))(t).Title, "first")

	ok(t, s.DeleteChat(ada, made.ID))
	wantErr(t, s.DeleteChat(ada, made.ID), state.ErrNotFound)
	_, err = s.Chat(ada, made.ID)
	wantErr(t, err, state.ErrNotFound)
	equal(t, "messages of a deleted one", len(must(s.ChatMessages(ada, made.ID))(t)), 0)
	actions := ""
	for _, e := range must(s.Entries(ada, state.AuditFilter{ObjectType: "chat", ObjectID: made.ID}))(t) {
		actions += e.Action + " "
	}
	equal(t, "audit log", actions, "chat.delete chat.click chat.begin ")
}
