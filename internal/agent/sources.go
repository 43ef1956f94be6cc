package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kalla"
)

// offerSources offers pairs of sources that share columns, or asks for files.
func (t *turn) offerSources(ctx context.Context) error {
	if err := t.doing(ctx, ToolListSources); err != nil {
		return err
	}
	found, err := t.Services.Sources(ctx)
	if err != nil {
		return err
	}
	if w := t.c.Work; w.Left != nil && w.Right == nil {
		found = slices.DeleteFunc(found, func(s Source) bool { return s.Alias == w.Left.Source })
		if len(found) == 0 {
			t.ask(kalla.Right, "Upload the other file", "It answers the records of "+w.Left.Source+", such as payments answer invoices.")
			return nil
		}
		var options []Option
		for _, s := range found[:min(len(found), offered)] {
			options = append(options, Option{"pair:" + w.Left.Source + "|" + s.Alias, w.Left.Source + " with " + s.Alias, described(s)})
		}
		t.offer("With which source?", options...)
		return nil
	}
	if len(found) < 2 {
		t.ask(kalla.Left, "Upload the records that are to be answered", "For example invoices or a ledger: CSV, Parquet, JSON or Excel. Databases and buckets are registered under Sources.")
		if len(found) == 0 {
			t.ask(kalla.Right, "Upload the records that answer them", "For example payments or a bank statement.")
		}
		return nil
	}
	var options []Option
	both := pairs(found)
	for _, p := range both[:min(len(both), offered)] {
		options = append(options, Option{"pair:" + p[0].Alias + "|" + p[1].Alias, p[0].Alias + " with " + p[1].Alias, described(p[0]) + "; " + described(p[1])})
	}
	options = append(options, Option{ID: "upload", Label: "Upload files"})
	t.offer("", options...)
	return nil
}

func (t *turn) ask(side kalla.Side, title, hint string) {
	t.show(Card{Kind: CardUploadRequest, UploadRequest: &UploadRequest{side, title, hint}})
}

func described(s Source) string {
	switch {
	case len(s.Columns) == 0:
		return s.Alias
	case s.Rows == nil:
		return fmt.Sprintf("%s: %d columns", s.Alias, len(s.Columns))
	}
	return fmt.Sprintf("%s: %s rows, %d columns", s.Alias, count(*s.Rows), len(s.Columns))
}

// pairs are the pairs of sources, those first that are newest and not used by a recipe yet. The one that
// was registered first is the left.
func pairs(found []Source) (out [][2]Source) {
	type scored struct {
		pair [2]Source
		used int
	}
	var all []scored
	found = found[:min(len(found), 20)]
	for i := range found {
		for k := i + 1; k < len(found); k++ {
			if found[i].Failed == "" && found[k].Failed == "" {
				all = append(all, scored{[2]Source{found[k], found[i]}, min(1, len(found[i].UsedBy)) + min(1, len(found[k].UsedBy))})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return a.used - b.used })
	for _, s := range all {
		out = append(out, s.pair)
	}
	return out
}

// uploaded takes a file that was sent as the next side.
func (t *turn) uploaded(ctx context.Context, side kalla.Side, src *Source) error {
	w := &t.c.Work
	w.Greeted = true
	t.say("%s is there: %s.", src.Alias, described(*src))
	var left, right string
	if w.Left != nil {
		left = w.Left.Source
	}
	if w.Right != nil {
		right = w.Right.Source
	}
	if side == kalla.Right || side == "" && left != "" {
		right = src.Alias
	} else {
		left = src.Alias
	}
	if left != "" && right != "" && left != right {
		w.SetSources(left, right)
		return t.next(ctx)
	}
	w.Left, w.Right = nil, nil
	if left != "" {
		w.Left = &Scope{Source: left}
	}
	if right != "" {
		w.Right = &Scope{Source: right}
	}
	if t.openUploads() > 0 {
		return nil // the other file is asked for
	}
	return t.offerSources(ctx)
}

func (t *turn) openUploads() (n int) {
	for _, m := range t.c.Said {
		for _, c := range m.Cards {
			if c.Kind == CardUploadRequest && c.Open {
				n++
			}
		}
	}
	return n
}

// showScopes shows both sides as they are scoped.
func (t *turn) showScopes(ctx context.Context) error {
	if err := t.doing(ctx, ToolLoadScoped); err != nil {
		return err
	}
	w := &t.c.Work
	var counts []string
	for _, side := range []kalla.Side{kalla.Left, kalla.Right} {
		data, err := load(ctx, t.Services, side, *w.Scope(side), shownSamples)
		if err != nil {
			return err
		}
		t.showTable(data)
		if data.Total != nil {
			counts = append(counts, count(*data.Total)+" of "+data.Source)
		}
	}
	t.say("These are the records: %s. Do all of them count? You may leave some out: write *only 2026*, *ignore cancelled* or *only EUR*.", strings.Join(counts, " and "))
	t.offerScopes()
	return nil
}

func (t *turn) offerScopes() {
	label := "All of these records"
	options := []Option{}
	if w := t.c.Work; len(w.Left.Filters)+len(w.Right.Filters) > 0 {
		label = "These records"
		options = append(options, Option{ID: `filters:{}`, Label: "Without the conditions"})
	}
	t.offer("", append([]Option{{ID: "scoped", Label: label}}, options...)...)
}

func (t *turn) showTable(d *SourceData) {
	card := &SampleTable{Side: d.Side, Source: d.Source, Filters: d.Filters, Columns: d.Columns, Rows: d.Rows, Total: d.Total}
	for _, f := range d.Filters {
		card.Words = append(card.Words, filterWords(f))
	}
	t.show(Card{Kind: CardSampleTable, SampleTable: card})
}
