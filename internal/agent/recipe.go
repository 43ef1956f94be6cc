package agent

import (
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/recipe"
)

// parse reads a recipe whose faults do not matter here.
func parse(document string) (*kalla.Recipe, error) {
	doc, err := recipe.Parse([]byte(document), "recipe")
	if err != nil {
		return nil, err
	}
	r, _ := doc.Draft(nil)
	return r, nil
}

func sentences(document string) ([]Sentence, error) {
	r, err := parse(document)
	if err != nil {
		return nil, err
	}
	return sentencesOf(r), nil
}

func sentencesOf(r *kalla.Recipe) []Sentence {
	var out []Sentence
	for _, s := range recipe.Explain(r) {
		out = append(out, Sentence{s.Path, s.Text})
	}
	return out
}

func draftOf(document string, rules []Rule) (*Draft, error) {
	r, err := parse(document)
	if err != nil {
		return nil, err
	}
	return &Draft{RecipeID: r.ID, Name: r.Name, Document: document, Rules: rules}, nil
}

// scoped is a recipe over the records that the person chose: which they are is not for a model to say,
// which sees the values of its filters masked. A recipe that cannot be read stays as it is.
func (w *Work) scoped(document string) string {
	r, err := parse(document)
	if err != nil || w.Left == nil || w.Right == nil {
		return document
	}
	for _, side := range []struct {
		src   *kalla.Source
		scope *Scope
	}{{&r.Sources.Left, w.Left}, {&r.Sources.Right, w.Right}} {
		side.src.Filters = nil
		for _, f := range side.scope.Filters {
			read, faults := f.Read("filters")
			if len(faults) > 0 {
				return document
			}
			side.src.Filters = append(side.src.Filters, read)
		}
	}
	text, err := recipe.Marshal(r)
	if err != nil {
		return document
	}
	return string(text)
}

// plain is a recipe without its comments, which may quote records, and with other values in its filters.
func plain(document string, hide func(source, value string) string) string {
	r, err := parse(document)
	if err != nil {
		return ""
	}
	for _, src := range []*kalla.Source{&r.Sources.Left, &r.Sources.Right} {
		for i := range src.Filters {
			values := slices.Clone(src.Filters[i].Values)
			for k := range values {
				values[k] = hide(src.Source, values[k])
			}
			src.Filters[i].Values = values
		}
	}
	text, err := recipe.Marshal(r)
	if err != nil {
		return ""
	}
	return string(text)
}

// apply puts a tolerance into every condition that compares amounts, or dates.
// Which columns are amounts the types tell: a decimal or a float on both sides.
func (e Edit) apply(document string, left, right []job.Column) (string, error) {
	r, err := parse(document)
	if err != nil {
		return "", err
	}
	amount, err := e.amount()
	if err != nil {
		return "", err
	}
	types := [2]map[string]string{{}, {}}
	for i, columns := range [][]job.Column{left, right} {
		for _, c := range columns {
			types[i][c.Name] = c.DataType
		}
	}
	both := func(c kalla.Condition, kinds ...string) bool {
		is := func(t string) bool {
			for _, k := range kinds {
				if strings.HasPrefix(t, k) {
					return true
				}
			}
			return false
		}
		return (c.Op == "" || c.Op == kalla.OpEq) && c.Similar == nil && is(types[0][c.Left]) && is(types[1][c.Right])
	}
	n := 0
	for p := range r.Match {
		pass := &r.Match[p]
		for i := range pass.When {
			c := &pass.When[i]
			w := c.Within
			switch {
			case amount != nil && (w != nil && (w.Absolute != nil || w.Percent != nil) || w == nil && both(*c, "decimal", "float")):
				c.Within, c.Normalize, n = amount, nil, n+1
			case e.Days != nil && (w != nil && w.Days != nil || w == nil && both(*c, "date", "timestamp")):
				window := kalla.Window{From: -*e.Days, To: *e.Days}
				if w != nil && w.Days.From >= 0 { // the right one is never earlier
					window.From = 0
				}
				c.Within, c.Op, n = &kalla.Within{Days: &window}, "", n+1
			}
		}
		if amount != nil && pass.Sum != nil {
			pass.Sum.Within, n = amount, n+1
		}
	}
	if n == 0 {
		what := "amounts"
		if e.Days != nil && amount == nil {
			what = "dates"
		}
		return "", &kalla.Error{Code: kalla.CodeUsage, Op: "changing the tolerance", Why: "no rule compares " + what, Hint: "look at the rules: the tolerance may not matter, or a rule was dropped"}
	}
	text, err := recipe.Marshal(r)
	return string(text), err
}

// amount is the tolerance of amounts, nil where none was named.
func (e Edit) amount() (*kalla.Within, error) {
	if e.Amount == "" {
		return nil, nil
	}
	number, percent := strings.CutSuffix(strings.ReplaceAll(e.Amount, " ", ""), "%")
	d, err := decimal.NewFromString(number)
	if err != nil || d.IsNegative() || strings.ContainsAny(number, "eE") {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "changing the tolerance", Where: e.Amount, Why: "it is no amount and no percentage", Hint: "write 0.05 or 1%"}
	}
	if percent {
		return &kalla.Within{Percent: &d}, nil
	}
	return &kalla.Within{Absolute: &d}, nil
}
