package state

import (
	"strings"

	"github.com/uptrace/bun/schema"
)

// exact writes texts into statements as they are. bun's own way with JSON
// changes what a text says about NUL characters.
type exact struct{ schema.Dialect }

// AppendString writes a text. A NUL character, which PostgreSQL does not keep,
// becomes what an invalid character becomes.
func (d exact) AppendString(b []byte, s string) []byte {
	return d.Dialect.AppendString(b, strings.ReplaceAll(s, "\x00", "\uFFFD"))
}

// AppendJSON writes a JSON text.
func (d exact) AppendJSON(b, text []byte) []byte { return d.AppendString(b, string(text)) }
