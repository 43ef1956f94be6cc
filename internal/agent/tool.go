package agent

import (
	"context"
	"encoding/json"
)

// Tool is a typed function, served to the model and over MCP alike.
type Tool struct {
	Name        string          // list_sources
	Title       string          // for people: "List the sources"
	Description string          // for a model: what it does, when to use it
	Schema      json.RawMessage // JSON Schema of the input, an object
	// Writes says that it changes or starts something: in a conversation it needs
	// a person's click, over MCP a token whose scope allows it.
	Writes bool
	// Call runs it. The input has been checked against the schema. Errors are *kalla.Error: the model reads them.
	Call func(ctx context.Context, input json.RawMessage) (any, error) // a value that encodes to JSON
}
