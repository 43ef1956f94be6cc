package records

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kalla"
)

// Bounds of a Query.
const (
	MaxLimit     = 500 // rows of a page
	DefaultLimit = 50
	maxFilters   = 50
	maxSorts     = 8
	maxSearch    = 200 // characters
)

// Query asks for a page of a table. The zero value of a field asks for nothing.
type Query struct {
	Table   Table
	Columns []string       // in this order; nil means all
	Filters []kalla.Filter // all must hold; typed by the column, as in a recipe
	Reasons []kalla.Reason // one of them; for unmatched records
	Passes  []string       // names, one of them; for pairs and rivals
	Search  string         // occurs in a text or key column of the sources, ignoring case; taken literally
	Sort    []Sort         // then by key, then as in the file; without it, as in the file
	Limit   int            // rows of a page, 1 to MaxLimit; 0 means DefaultLimit
	Cursor  string         // Page.Next or Page.Prev of the same query; limit, columns and count may differ
	From    int64          // without a cursor: the place in the answer that the page begins at, from 0
	NoCount bool           // the total is not needed: a rare text is then not looked for to the end
}

// Sort orders by a column. NULLs come last in both directions.
type Sort struct {
	Column string `json:"column"`
	Desc   bool   `json:"desc,omitempty"`
}

// compiled is a query that was checked.
type compiled struct {
	table   *table
	columns []Column
	where   predicate
	order   string // ORDER BY list; empty for the order of the file
	limit   int64
	id      [sha256.Size]byte // of what decides which rows come in which order
}

// plain reports whether the answer is the file as it is.
func (c *compiled) plain() bool { return c.order == "" && len(c.where.sql) == 0 }

// name is the identity as text.
func (c *compiled) name() string { return hex.EncodeToString(c.id[:]) }

// compile checks a query against its table.
func compile(t *table, q Query) (_ *compiled, err error) {
	c := &compiled{table: t, limit: int64(q.Limit)}
	if c.limit == 0 {
		c.limit = DefaultLimit
	}
	switch {
	case c.limit < 1 || c.limit > MaxLimit:
		return nil, usage("limit", strconv.Itoa(q.Limit)+" is not between 1 and "+strconv.Itoa(MaxLimit), "")
	case len(q.Filters) > maxFilters:
		return nil, usage("filters", "there are more than "+strconv.Itoa(maxFilters), "use in for many values of one column")
	case len(q.Sort) > maxSorts:
		return nil, usage("sort", "there are more than "+strconv.Itoa(maxSorts)+" columns", "")
	case utf8.RuneCountInString(q.Search) > maxSearch:
		return nil, usage("search", "the text is longer than "+strconv.Itoa(maxSearch)+" characters", "")
	case len(q.Passes) > maxValues || len(q.Reasons) > maxValues:
		return nil, usage("filters", "there are more than "+strconv.Itoa(maxValues)+" passes or reasons", "")
	case q.From < 0:
		return nil, usage("from", "places begin at 0", "")
	}
	if c.columns, err = t.choose(q.Columns); err != nil {
		return nil, err
	}
	for _, f := range q.Filters {
		if err := c.where.filter(t, f); err != nil {
			return nil, err
		}
	}
	if len(q.Reasons) > 0 {
		if t.reason == "" {
			return nil, usage("reason", "table "+string(t.name)+" has no reasons", "ask for unmatched_left or unmatched_right")
		}
		reasons := make([]string, len(q.Reasons))
		for i, r := range q.Reasons {
			reasons[i] = string(r)
		}
		c.where.oneOf(t.reason, reasons)
	}
	if len(q.Passes) > 0 {
		if t.pass == "" {
			return nil, usage("pass", "table "+string(t.name)+" has no passes", "ask for matched or candidates")
		}
		c.where.oneOf(t.pass, q.Passes)
	}
	if q.Search != "" {
		c.where.search(t, q.Search)
	}
	for _, value := range c.where.args {
		if text, ok := value.(string); ok && !utf8.ValidString(text) { // the engine takes no other
			return nil, usage("filters", strconv.Quote(shorten(text))+" is not UTF-8", "send texts as UTF-8")
		}
	}
	if err := c.sort(q.Sort); err != nil {
		return nil, err
	}
	return c, c.identify()
}

// sort makes the order total: equal values come by key, equal keys as in the file.
func (c *compiled) sort(by []Sort) error {
	if len(by) == 0 {
		return nil
	}
	var order, names []string
	add := func(column, direction string) {
		if !slices.Contains(names, column) {
			names = append(names, column)
			order = append(order, ident(column)+direction+" NULLS LAST")
		}
	}
	for _, s := range by {
		col, err := c.table.column(s.Column)
		if err != nil {
			return err
		}
		direction := ""
		if s.Desc {
			direction = " DESC"
		}
		add(col.Name, direction)
	}
	for _, k := range c.table.key {
		add(k, "")
	}
	c.order = strings.Join(append(order, c.table.number), ", ")
	return nil
}

// identify hashes what the rows and their order depend on.
func (c *compiled) identify() error {
	data, err := json.Marshal([]any{c.table.hash, c.where.sql, c.where.args, c.order})
	c.id = sha256.Sum256(data)
	return err
}

func isDate(v string) bool {
	_, err := time.Parse(time.DateOnly, v)
	return err == nil
}
