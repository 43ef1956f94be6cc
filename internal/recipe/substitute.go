package recipe

import (
	"fmt"
	"regexp"
	"strings"
)

// A reference to a parameter is written ${name}; $${ is a plain ${.
var paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// piece is a stretch of plain text, or a reference when name is set.
type piece struct {
	text string
	name string
}

// pieces splits a scalar at its references. The error is for people.
func pieces(s string) ([]piece, error) {
	var out []piece
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			out = append(out, piece{text: plain.String()})
			plain.Reset()
		}
	}
	for s != "" {
		switch {
		case strings.HasPrefix(s, "$${"):
			plain.WriteString("${")
			s = s[3:]
		case strings.HasPrefix(s, "${"):
			name, rest, ok := strings.Cut(s[2:], "}")
			if !ok {
				return nil, fmt.Errorf("${ without a closing brace")
			}
			if !paramName.MatchString(name) {
				return nil, fmt.Errorf("%s is no name of a parameter", quote(name))
			}
			flush()
			out = append(out, piece{name: name})
			s = rest
		default:
			next := strings.IndexByte(s[1:], '$') + 1
			if next == 0 {
				next = len(s)
			}
			plain.WriteString(s[:next])
			s = s[next:]
		}
	}
	flush()
	return out, nil
}

// escape is the inverse of pieces for text without references.
func escape(s string) string { return strings.ReplaceAll(s, "${", "$${") }

// expandURI puts parameters into an URI and leaves every other ${NAME}, which
// is an environment variable, as it is.
func expandURI(s string, lookup func(name string) (string, bool)) string {
	var b strings.Builder
	for s != "" {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		name, _, ok := strings.Cut(s[i+2:min(len(s), i+3+maxKeyLen)], "}")
		escaped := i > 0 && s[i-1] == '$'
		value, known := lookup(name)
		if !ok || escaped || !known {
			b.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i] + value)
		s = s[i+3+len(name):]
	}
	return b.String() + s
}

// sqlScanner follows SQL text to know where a literal may stand.
type sqlScanner struct {
	state   sqlState
	depth   int    // of nested block comments
	tag     string // of the open dollar quote, with its dollars
	escapes bool   // the open string is E'…': a backslash escapes
	last    byte   // the byte before
}

type sqlState int

const (
	sqlPlain sqlState = iota
	sqlString
	sqlIdentifier
	sqlLineComment
	sqlBlockComment
	sqlDollar
)

func (s sqlState) String() string {
	return [...]string{"", "a quoted text", "a quoted name", "a comment", "a comment", "a quoted text"}[s]
}

var dollarTag = regexp.MustCompile(`^\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$`)

// feed moves over text. All engines agree on these rules; where one is laxer
// (unnested comments) the scanner is the stricter.
func (q *sqlScanner) feed(text string) {
	for i := 0; i < len(text); {
		n := 1
		rest := text[i:]
		switch q.state {
		case sqlPlain:
			n = q.enter(rest)
		case sqlString:
			switch {
			case q.escapes && rest[0] == '\\' && len(rest) > 1, strings.HasPrefix(rest, "''"):
				n = 2
			case rest[0] == '\'':
				q.state = sqlPlain
			}
		case sqlIdentifier:
			if strings.HasPrefix(rest, `""`) {
				n = 2
			} else if rest[0] == '"' {
				q.state = sqlPlain
			}
		case sqlLineComment:
			if rest[0] == '\n' || rest[0] == '\r' {
				q.state = sqlPlain
			}
		case sqlBlockComment:
			switch {
			case strings.HasPrefix(rest, "/*"):
				q.depth++
				n = 2
			case strings.HasPrefix(rest, "*/"):
				n = 2
				if q.depth--; q.depth == 0 {
					q.state = sqlPlain
				}
			}
		case sqlDollar:
			if strings.HasPrefix(rest, q.tag) {
				n = len(q.tag)
				q.state = sqlPlain
			}
		}
		q.last = rest[n-1]
		i += n
	}
}

// enter handles the next token of plain SQL and returns its length.
func (q *sqlScanner) enter(rest string) int {
	switch {
	case rest[0] == '\'':
		q.state, q.escapes = sqlString, q.last == 'e' || q.last == 'E'
	case rest[0] == '"':
		q.state = sqlIdentifier
	case strings.HasPrefix(rest, "--"):
		q.state = sqlLineComment
		return 2
	case strings.HasPrefix(rest, "/*"):
		q.state, q.depth = sqlBlockComment, 1
		return 2
	case rest[0] == '$':
		if tag := dollarTag.FindString(rest); tag != "" {
			q.state, q.tag = sqlDollar, tag
			return len(tag)
		}
	}
	return 1
}

// glued reports whether a literal beside byte b would run together with it
// into another token (E'…' is not the text '…', and 1 beside 5 is 15).
func glued(b byte) bool {
	return b >= 0x80 || b == '_' || b == '.' || b == '&' || b == '\'' || b == '"' || b == '$' ||
		b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// expandSQL puts parameters into SQL text as whole typed literals. The error is for people.
func expandSQL(s string, literal func(name string) string) (string, error) {
	parts, err := pieces(s)
	if err != nil {
		return "", err
	}
	var q sqlScanner
	var b strings.Builder
	for i, p := range parts {
		if p.name == "" {
			q.feed(p.text)
			b.WriteString(p.text)
			continue
		}
		if q.state != sqlPlain {
			return "", fmt.Errorf("${%s} stands inside %s", p.name, q.state)
		}
		before := i > 0 && (parts[i-1].name != "" || glued(q.last))
		after := i+1 < len(parts) && parts[i+1].name == "" && glued(parts[i+1].text[0])
		if before || after {
			return "", fmt.Errorf("${%s} touches the text beside it", p.name)
		}
		b.WriteString(literal(p.name))
		q.last = ' '
	}
	return b.String(), nil
}
