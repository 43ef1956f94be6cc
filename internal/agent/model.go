// Package agent drafts recipes in conversation: a state machine of seven phases,
// typed tools that are served to a model and over MCP alike, and the assistant
// that needs no model at all. It drafts; the engine proves; a person approves.
package agent

import (
	"context"
	"encoding/json"
)

// Model is a language model that can call tools. Implementations are packages
// below this one. It may be used by several goroutines.
type Model interface {
	Info() ModelInfo
	// Stream sends a conversation, tells what arrives as it does (delta may be nil), and
	// returns the whole answer. Errors are *kalla.Error; one in whose chain is an
	// interface{ RetryAfter() time.Duration } may be tried again after that time.
	Stream(ctx context.Context, req Request, delta func(Delta)) (*Reply, error)
}

// ModelInfo says which model answers.
type ModelInfo struct {
	Provider string // anthropic, openai
	Model    string
	// Prices in US dollars for a million tokens, as decimal text; empty where they are not known.
	InputPrice, OutputPrice, CacheReadPrice, CacheWritePrice string
}

// Request is one turn.
type Request struct {
	System    string // the part that never changes, so that it can be cached
	Context   string // what changes with the phase; sent after System, not cached
	Messages  []Message
	Tools     []ToolSpec
	MaxTokens int
}

// Role says who speaks.
type Role string

// The roles.
const (
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is what one side said: text, calls of tools, or their results, in order.
type Message struct {
	Role  Role   `json:"role"`
	Parts []Part `json:"parts"`
}

// Part is one of text, a call, a result, or something opaque: exactly one field is set.
type Part struct {
	Text   string      `json:"text,omitempty"`
	Call   *ToolCall   `json:"call,omitempty"`
	Result *ToolResult `json:"result,omitempty"`
	Opaque *Opaque     `json:"opaque,omitempty"`
}

// Opaque is what only the model that wrote it understands, such as its
// reasoning between calls. It is never shown, and sent back where it stood.
type Opaque struct {
	Model string          `json:"model"`
	Data  json.RawMessage `json:"data"`
}

// ToolCall is a call that the model asks for. Input is what it wrote, which may not fit the schema; where that
// is no JSON, it is a JSON string of it (see InputOf).
type ToolCall struct {
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

// ToolResult answers a call.
type ToolResult struct {
	ID      string `json:"id"`
	Content string `json:"content"`
	IsError bool   `json:"is_error,omitempty"`
}

// ToolSpec is a tool as the model sees it.
type ToolSpec struct {
	Name        string
	Description string
	Schema      json.RawMessage // JSON Schema of the input
}

// Delta is a piece of an answer as it arrives.
type Delta struct {
	Text string // appended to the text
	Tool string // name of a tool whose call begins
}

// Stop says why an answer ended.
type Stop string

// The reasons.
const (
	StopEnd     Stop = "end"     // it is complete
	StopTools   Stop = "tools"   // it waits for results
	StopLength  Stop = "length"  // cut off at MaxTokens
	StopRefused Stop = "refused" // the model declines
)

// Reply is a whole answer.
type Reply struct {
	Message Message
	Stop    Stop
	Usage   Usage
}

// Usage counts tokens.
type Usage struct {
	Input      int64 `json:"input"` // without what came from or went to the cache
	CacheRead  int64 `json:"cache_read"`
	CacheWrite int64 `json:"cache_write"`
	Output     int64 `json:"output"`
}
