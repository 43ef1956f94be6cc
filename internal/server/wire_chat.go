package server

import (
	"time"

	"kalla/internal/agent"
)

// The bodies of the assistant's API. A conversation is its owner's alone. What
// happens in one is told by GET /api/chat/sessions/{id}/events; the requests
// that set something off answer at once.

// ChatInput is what a person says.
type ChatInput struct {
	SessionID string `json:"session_id,omitempty" maxLength:"100" doc:"A new conversation where it is missing"`
	Message   string `json:"message" minLength:"1" maxLength:"20000"`
	Edit      string `json:"edit,omitempty" maxLength:"100" doc:"Id of a message of the person's that this one replaces: it and all behind it go"`
}

// ChatStarted answers it.
type ChatStarted struct {
	SessionID string `json:"session_id"`
	MessageID string `json:"message_id,omitempty" doc:"Of the person's message"`
}

// ChatSessionInput begins a conversation, or changes its settings.
type ChatSessionInput struct {
	Title       *string   `json:"title,omitempty" maxLength:"200"`
	ShareValues *[]string `json:"share_values,omitempty" maxItems:"100" doc:"Aliases of the sources whose values the model may see as they are; those of others reach it masked"`
}

// ChatPhase is a phase of a conversation.
type ChatPhase struct {
	Phase agent.Phase `json:"phase"`
	Title string      `json:"title"`
	Done  bool        `json:"done"`
}

// ChatSession is a conversation.
type ChatSession struct {
	ID          string        `json:"id"`
	Title       string        `json:"title"`
	Phase       agent.Phase   `json:"phase" enum:"greeting,intent,scoping,demonstration,inference,validation,execution"`
	Status      agent.Status  `json:"status" enum:"idle,working"`
	Phases      []ChatPhase   `json:"phases" doc:"All of them, in order"`
	Left        *agent.Scope  `json:"left,omitempty"`
	Right       *agent.Scope  `json:"right,omitempty"`
	RecipeID    string        `json:"recipe_id,omitempty" doc:"Of the recipe that was saved"`
	RunID       string        `json:"run_id,omitempty" doc:"Of the last run of it"`
	Model       string        `json:"model,omitempty" doc:"Which model answers; empty for the assistant without one"`
	Spent       agent.Spent   `json:"spent"`
	Budget      *agent.Budget `json:"budget,omitempty"`
	ShareValues []string      `json:"share_values"`
	LastEvent   int64         `json:"last_event" doc:"Follow the events after this one"`
	Created     time.Time     `json:"created_at"`
	Updated     time.Time     `json:"updated_at"`
}

// ChatDetail is a conversation with its messages.
type ChatDetail struct {
	ChatSession
	Messages []agent.Said `json:"messages" doc:"Oldest first"`
}

// ChatEvent is one event of GET /api/chat/sessions/{id}/events; its id is its
// number in the conversation. Kind, which is also the name of the event, says what is set.
type ChatEvent struct {
	Seq  int64  `json:"seq"`
	Kind string `json:"kind" enum:"session,message,delta,removed"`
	// Session is the conversation as it is now.
	Session *ChatSession `json:"session,omitempty"`
	// Message is a whole message, new or in the place of the one of its id.
	Message *agent.Said `json:"message,omitempty"`
	// Delta is appended to the text of a message, which begins with it if it is not there.
	Delta *ChatDelta `json:"delta,omitempty"`
	// Removed are the ids of messages that are gone.
	Removed []string `json:"removed,omitempty"`
}

// ChatDelta is a piece of text as it is written.
type ChatDelta struct {
	MessageID string `json:"message_id"`
	Text      string `json:"text,omitempty"`
	Tool      string `json:"tool,omitempty" doc:"Title of what the assistant is doing: Look at the source"`
}
