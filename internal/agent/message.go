package agent

import "time"

// Status says whether somebody is answering.
type Status string

// The states of a conversation.
const (
	Idle    Status = "idle"    // it is the person's turn
	Working Status = "working" // the assistant is answering
)

// Said is one message of a conversation as people see it.
type Said struct {
	ID    string    `json:"id" doc:"Unique in the conversation; sorts by time"`
	Role  Role      `json:"role" enum:"user,assistant"`
	Text  string    `json:"text" doc:"Plain text; of the assistant Markdown without HTML"`
	Cards []Card    `json:"cards,omitempty"`
	By    string    `json:"by,omitempty" doc:"Of the assistant: the model, or empty for the assistant without one"`
	Tools []Called  `json:"tools,omitempty" doc:"What the assistant called to find out"`
	At    time.Time `json:"at"`
	// Partial says that it was stopped or broke off.
	Partial bool `json:"partial,omitempty"`
}

// Called is a tool that was called for a message.
type Called struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	MS    int64  `json:"ms"`
	Error string `json:"error,omitempty"`
}

// Spent is what a conversation has used of its budget.
type Spent struct {
	Usage
	Cost string `json:"cost,omitempty" doc:"US dollars, as decimal text; empty where the price is not known"`
}

// Budget bounds what a conversation may use of a model; 0 and "" mean no bound.
type Budget struct {
	Tokens int64  `json:"tokens,omitempty" doc:"All tokens, cached ones too"`
	Cost   string `json:"cost,omitempty" doc:"US dollars, as decimal text"`
}
