package agent

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"kalla"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
)

// Masks are the tokens that stand for values towards a model, and what they
// stand for. A token has the shape of its value: letters are letters, digits are
// digits, all else is as it was. The same value has the same token, so that a
// model sees what is equal; which value it is it cannot tell.
type Masks map[string]string

// mostMasks bounds how many tokens a conversation keeps; those after them stand for nothing that can be looked up again.
const mostMasks = 5000

// mask finds or makes the token of a value.
func (m Masks) mask(value string, tokens map[string]string) string {
	if token, ok := tokens[value]; ok {
		return token
	}
	token := value
	for range 8 { // a token that stands for something else already is no token
		token = strings.Map(func(r rune) rune {
			switch {
			case unicode.IsDigit(r):
				return '0' + pick(10)
			case unicode.IsUpper(r):
				return 'A' + pick(26)
			case unicode.IsLetter(r), unicode.IsMark(r):
				return 'a' + pick(26)
			}
			return r
		}, value)
		if _, taken := m[token]; !taken {
			break
		}
	}
	if len(m) < mostMasks {
		m[token] = value
	}
	tokens[value] = token
	return token
}

// pick is a random number below n. No seed and no key is kept that could undo it.
func pick(n int64) rune {
	x, err := rand.Int(rand.Reader, big.NewInt(n))
	if err != nil {
		panic(err) // the system has no randomness
	}
	return rune(x.Int64())
}

// Unmask puts values back in the place of tokens in JSON that a model wrote: in
// the fields that hold values of records, and nowhere else, where a word may look like a token.
func (m Masks) Unmask(input json.RawMessage) json.RawMessage {
	v, ok := decoded(input)
	if len(m) == 0 || !ok {
		return input
	}
	if fields, ok := v.(map[string]any); ok {
		if document, ok := fields["document"].(string); ok {
			fields["document"] = m.unmaskRecipe(document)
		}
		fields["examples"] = walk(fields["examples"], true, func(s string) any { return m.value(s) })
		if fields["examples"] == nil {
			delete(fields, "examples")
		}
	}
	return json.RawMessage(encode(walk(v, false, func(s string) any { return m.value(s) })))
}

// value is what a token stands for, or a key of several columns made of tokens; what is no token stays.
func (m Masks) value(s string) string {
	if value, ok := m[s]; ok {
		return value
	}
	parts := strings.Split(s, "|")
	for i := range parts {
		if value, ok := m[parts[i]]; ok {
			parts[i] = value
		}
	}
	return strings.Join(parts, "|")
}

// unmaskRecipe puts values in the place of tokens in the filters of a recipe. One without is as it was written.
func (m Masks) unmaskRecipe(document string) string {
	found := false
	text := plain(document, func(_, s string) string {
		value := m.value(s)
		found = found || value != s
		return value
	})
	if !found {
		return document
	}
	return text
}

// decoded is a JSON value whose numbers are as they were written.
func decoded(text json.RawMessage) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

// walk changes the texts in fields called key and value, or all of them.
func walk(v any, all bool, change func(string) any) any {
	switch v := v.(type) {
	case string:
		if all {
			return change(v)
		}
	case []any:
		for i := range v {
			v[i] = walk(v[i], all, change)
		}
	case map[string]any:
		for k := range v {
			v[k] = walk(v[k], all || k == "key" || k == "value", change)
		}
	}
	return v
}

// veil is how a result of a tool is shown to a model.
type veil struct {
	masks  Masks
	tokens map[string]string // by value
	shared func(source string) bool
	said   func(value string) bool // whether the person has said it, so that it is nothing new
}

// Mask returns what a model may see of a result of a tool: the values of sources
// that are not shared are tokens of masks, which grows. Names of columns and sources, types, counts and
// figures over many records are as they are.
func Mask(result any, masks Masks, shared func(source string) bool) any {
	return newVeil(masks, shared).result(result)
}

func newVeil(masks Masks, shared func(source string) bool) *veil {
	v := &veil{masks: masks, tokens: make(map[string]string, len(masks)), shared: shared, said: func(string) bool { return false }}
	for token, value := range masks {
		v.tokens[value] = token
	}
	return v
}

func (v *veil) value(s *string) *string {
	if s == nil || *s == "" {
		return s
	}
	token := v.masks.mask(*s, v.tokens)
	return &token
}

func (v *veil) rows(rows [][]*string) [][]*string {
	out := make([][]*string, len(rows))
	for i, row := range rows {
		out[i] = make([]*string, len(row))
		for k := range row {
			out[i][k] = v.value(row[k])
		}
	}
	return out
}

// hide is a value of a source, as it is where that is shared.
func (v *veil) hide(source, value string) string {
	if v.shared(source) || v.said(value) {
		return value
	}
	return *v.value(&value)
}

// bound is a date or a number: the end of a range, which is of nobody's record.
var bound = regexp.MustCompile(`^-?[0-9][0-9.:T -]*$`)

// filters are those of a source that is not shared.
func (v *veil) filters(filters []job.Filter) []job.Filter {
	var out []job.Filter
	for _, f := range filters {
		if value, ok := decoded(f.Value); ok {
			f.Value = json.RawMessage(encode(walk(value, true, func(x string) any {
				if bound.MatchString(x) && f.Op != "eq" && f.Op != "neq" && f.Op != "in" {
					return x
				}
				return v.hide("", x)
			})))
		}
		out = append(out, f)
	}
	return out
}

func (v *veil) result(result any) any {
	switch r := result.(type) {
	case *SourceData:
		if v.shared(r.Source) {
			return r
		}
		out := *r
		out.Rows, out.Filters = v.rows(r.Rows), v.filters(r.Filters)
		return &out
	case *SourceProfile:
		if v.shared(r.Source) {
			return r
		}
		out := *r
		out.Columns = slices.Clone(r.Columns)
		for i := range out.Columns {
			c := &out.Columns[i]
			c.Min, c.Max = v.value(c.Min), v.value(c.Max)
			c.Samples = slices.Clone(c.Samples)
			for k := range c.Samples {
				c.Samples[k] = *v.value(&c.Samples[k])
			}
		}
		return &out
	case *Proposed:
		out := *r
		out.Pairs = slices.Clone(r.Pairs)
		for i := range out.Pairs {
			out.Pairs[i].Left, out.Pairs[i].Right = v.record(r.Pairs[i].Left, r.Left), v.record(r.Pairs[i].Right, r.Right)
		}
		return &out
	case *Drafted:
		return v.drafted(r)
	case *Tried:
		return v.tried(r)
	case *Explained:
		return v.explained(r)
	case *Checked:
		if v.shared("") {
			return r
		}
		out := *r
		out.Sentences = nil // they name the values of filters
		return &out
	}
	return result // of no values
}

func (v *veil) record(r job.Record, source string) job.Record {
	if v.shared(source) {
		return r
	}
	out := job.Record{Key: map[string]string{}, Columns: r.Columns, Values: v.rows([][]*string{r.Values})[0]}
	for k, value := range r.Key {
		out.Key[k] = *v.value(&value)
	}
	return out
}

// drafted leaves out what quotes records: examples against a rule, and the comments of the recipe.
func (v *veil) drafted(r *Drafted) *Drafted {
	if v.shared(r.Left.Alias) && v.shared(r.Right.Alias) {
		return r
	}
	out := *r
	out.Document, out.Suggestions, out.Sentences = plain(r.Document, v.hide), nil, nil
	out.Rules = slices.Clone(r.Rules)
	for i := range out.Rules {
		out.Rules[i].CounterExamples = nil
		out.Rules[i].Alternatives = slices.Clone(out.Rules[i].Alternatives)
	}
	out.Lessons = slices.Clone(r.Lessons)
	for i := range out.Lessons {
		out.Lessons[i].Text = ""
	}
	return &out
}

func (v *veil) tried(r *Tried) *Tried {
	test := *r.Backtest
	test.Pairs, test.Disagreements = nil, slices.Clone(r.Disagreements)
	for i := range test.Disagreements {
		d := &test.Disagreements[i]
		if !v.shared(r.Left) || !v.shared(r.Right) {
			d.Why = "" // it may name another record
		}
		d.Example.Left, d.Example.Right = v.key(d.Example.Left, r.Left), v.key(d.Example.Right, r.Right)
	}
	out := *r
	out.Backtest = &test
	return &out
}

func (v *veil) key(key map[string]string, source string) map[string]string {
	return v.record(job.Record{Key: key}, source).Key
}

// explained masks a record of a run, whatever its sources were: a run may be of any.
func (v *veil) explained(r *Explained) *Explained {
	if v.shared("") {
		return r
	}
	rows := func(x records.Rows) records.Rows { return records.Rows{Columns: x.Columns, Rows: v.rows(x.Rows)} }
	rec := *r.Record
	rec.Key, rec.Fields = *v.value(&rec.Key), rows(rec.Fields)
	rec.Rivals = nil
	rec.Matches = slices.Clone(rec.Matches)
	for i := range rec.Matches {
		m := &rec.Matches[i]
		m.Left, m.Right, m.Pairs, m.Breaks = rows(m.Left), rows(m.Right), rows(m.Pairs), rows(m.Breaks)
	}
	if rec.Unmatched != nil {
		u := *rec.Unmatched
		u.ClosestKey, u.TakenBy = v.value(u.ClosestKey), v.value(u.TakenBy)
		if u.Closest != nil {
			closest := rows(*u.Closest)
			u.Closest = &closest
		}
		u.Conditions = slices.Clone(u.Conditions)
		for i := range u.Conditions {
			u.Conditions[i].LeftValue, u.Conditions[i].RightValue = v.value(u.Conditions[i].LeftValue), v.value(u.Conditions[i].RightValue)
		}
		rec.Unmatched = &u
	}
	return &Explained{r.RunID, &rec}
}

// MaskError is an error as a model may see it that sees no values; see Mask.
func MaskError(err error, masks Masks) error {
	e, ok := errors.AsType[*kalla.Error](err)
	if !ok || e.Code == kalla.CodeInternal {
		return err // told as a fault of Kalla's own, without what it says
	}
	why := maskError(err, masks, false)
	if faults, ok := errors.AsType[kalla.Faults](err); ok && e.Code == kalla.CodeRecipe {
		why += "\n" + maskError(faults, masks, false)
	}
	return &kalla.Error{Code: e.Code, Why: why, Hint: e.Hint}
}

// maskError is what a model may see of an error: what a source holds may be
// quoted in it, and values that its tokens stood for.
func maskError(err error, masks Masks, shared bool) string {
	text := err.Error()
	if shared {
		return text
	}
	for token, value := range masks {
		if len(value) > 2 {
			text = strings.ReplaceAll(text, value, token)
		}
	}
	if code := kalla.CodeOf(err); code == kalla.CodeSource || code == kalla.CodeEngine || code == kalla.CodeBadKey || code == kalla.CodeInternal {
		text = "it failed; the person sees why (class " + string(code) + ")"
	}
	return text
}
