package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"kalla"
)

// writeReport prints what a run came to: per side, per pass, per reason, each
// adding up to the totals.
func writeReport(w io.Writer, p palette, s *kalla.Summary, termWidth int) {
	cells := barCells(termWidth)
	fmt.Fprintf(w, "%s  %s\n\n", p.bold(printable(s.RecipeID)), p.dim("run "+printable(s.RunID)+" on "+s.Engine.Name+" "+s.Engine.Version))
	writeSides(w, p, s, cells)
	writeSums(w, p, s)
	writePasses(w, p, s, cells)
	writeReasons(w, p, s, cells)
	writeBreaks(w, p, s)
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "  %s %s\n", p.warn("warning:"), printable(warning))
	}
	if len(s.Warnings) > 0 {
		fmt.Fprintln(w)
	}
	writeStages(w, p, s)
}

// barCells is how much room bars get beside the numbers.
func barCells(termWidth int) int {
	if termWidth <= 0 {
		return 20
	}
	return min(32, max(8, termWidth-64))
}

const nameCells = 36 // names of passes, sources and columns are cut to this

func name(s string) string { return clip(printable(s), nameCells) }

func sides(s *kalla.Summary) []kalla.SideSummary { return []kalla.SideSummary{s.Left, s.Right} }

func writeSides(w io.Writer, p palette, s *kalla.Summary, cells int) {
	g := newGrid(toLeft, toRight, toRight, toRight, toRight, toLeft)
	g.row("", p.dim("records"), p.dim("matched"), p.dim("unmatched"), "", "")
	for _, side := range sides(s) {
		filled := bar(side.Matched, side.Total, cells)
		rest := ""
		if side.Total > 0 {
			rest = strings.Repeat("·", max(0, cells-width(filled)))
		}
		g.row(p.bold(name(side.Alias)), number(side.Total), p.good(number(side.Matched)), unmatchedStyle(p, side.Unmatched),
			share(side.Matched, side.Total), p.good(filled)+p.dim(rest))
	}
	g.write(w)
	line := []string{"match rate " + p.bold(percent(s.MatchRate)), plural(s.Matches, "match", "matches"), plural(s.Pairs, "pair", "pairs")}
	if s.Ambiguous > 0 {
		line = append(line, p.warn(number(s.Ambiguous)+" ambiguous"))
	}
	for _, side := range sides(s) {
		if side.BadKeys > 0 {
			line = append(line, p.warn(number(side.BadKeys)+" bad keys in "+name(side.Alias)))
		}
	}
	fmt.Fprintf(w, "\n  %s\n\n", strings.Join(line, p.dim(" · ")))
}

func unmatchedStyle(p palette, n int64) string {
	if n == 0 {
		return p.good(number(n))
	}
	return p.warn(number(n))
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

func writeSums(w io.Writer, p palette, s *kalla.Summary) {
	g := newGrid(toLeft, toRight, toRight, toRight)
	g.row(p.dim("sums"), p.dim("total"), p.dim("matched"), p.dim("unmatched"))
	for _, side := range sides(s) {
		for _, column := range slices.Sorted(maps.Keys(side.Sums)) {
			t := side.Sums[column]
			places := max(places(t.Total), places(t.Matched), places(t.Unmatched))
			g.row(name(side.Alias+"."+column), money(t.Total, places), money(t.Matched, places), money(t.Unmatched, places))
		}
	}
	if len(g.rows) == 1 {
		return
	}
	g.write(w)
	fmt.Fprintln(w)
}

// places is how many decimal places a number shows; amounts have two at least.
func places(d kalla.Decimal) int32 {
	if d.IsInteger() && d.Exponent() >= 0 {
		return 0
	}
	return max(2, -d.Exponent())
}

// writePasses shows the waterfall: what each pass took, and what was left.
func writePasses(w io.Writer, p palette, s *kalla.Summary, cells int) {
	if len(s.Passes) == 0 {
		return
	}
	g := newGrid(toRight, toLeft, toRight, toRight, toRight, toLeft)
	g.row("", p.dim("pass"), p.dim("matches"), p.dim(name(s.Left.Alias)), p.dim(name(s.Right.Alias)), "")
	all := s.Left.Total + s.Right.Total
	for i, pass := range s.Passes {
		note := ""
		if pass.Ambiguous > 0 {
			note += p.warn("  " + number(pass.Ambiguous) + " ambiguous")
		}
		if pass.Subset != nil && pass.Subset.Exhausted > 0 {
			note += p.warn(fmt.Sprintf("  %s of %s searches ended at the bound", number(pass.Subset.Exhausted), number(pass.Subset.Searched)))
		}
		g.row(p.dim(fmt.Sprint(i+1)), name(pass.Name), number(pass.Matches), number(pass.Left), number(pass.Right),
			p.good(bar(pass.Left+pass.Right, all, cells))+note)
	}
	g.row("", p.dim("left over"), "", unmatchedStyle(p, s.Left.Unmatched), unmatchedStyle(p, s.Right.Unmatched),
		p.warn(bar(s.Left.Unmatched+s.Right.Unmatched, all, cells)))
	g.write(w)
	fmt.Fprintln(w)
}

var reasonText = map[kalla.Reason]string{
	kalla.NoCandidate:        "no candidate",
	kalla.AmountDiffers:      "amount differs",
	kalla.DateOutsideWindow:  "date outside window",
	kalla.CurrencyDiffers:    "currency differs",
	kalla.ValueDiffers:       "value differs",
	kalla.TextBelowThreshold: "text below threshold",
	kalla.Taken:              "candidate taken",
	kalla.GroupUnbalanced:    "group does not balance",
	kalla.Ambiguous:          "ambiguous",
	kalla.BadKey:             "bad key",
}

// writeReasons shows why records are unmatched, the most frequent reason first.
func writeReasons(w io.Writer, p palette, s *kalla.Summary, cells int) {
	left, right := s.Reasons[kalla.Left], s.Reasons[kalla.Right]
	totals := map[kalla.Reason]int64{}
	for _, side := range []map[kalla.Reason]int64{left, right} {
		for r, n := range side {
			totals[r] += n
		}
	}
	maps.DeleteFunc(totals, func(_ kalla.Reason, n int64) bool { return n == 0 })
	if len(totals) == 0 {
		return
	}
	reasons := slices.SortedFunc(maps.Keys(totals), func(a, b kalla.Reason) int {
		if totals[a] != totals[b] {
			return cmp.Compare(totals[b], totals[a])
		}
		return strings.Compare(string(a), string(b))
	})
	g := newGrid(toLeft, toRight, toRight, toLeft)
	g.row(p.dim("why unmatched"), p.dim(name(s.Left.Alias)), p.dim(name(s.Right.Alias)), "")
	all := s.Left.Unmatched + s.Right.Unmatched
	for _, r := range reasons {
		text, ok := reasonText[r]
		if !ok {
			text = printable(string(r))
		}
		g.row(text, number(left[r]), number(right[r]), p.warn(bar(totals[r], all, cells)))
	}
	g.write(w)
	fmt.Fprintln(w)
}

func writeBreaks(w io.Writer, p palette, s *kalla.Summary) {
	var parts []string
	for _, field := range slices.Sorted(maps.Keys(s.Breaks)) {
		if n := s.Breaks[field]; n > 0 {
			parts = append(parts, name(field)+" "+p.warn(number(n)))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(w, "  %s  %s\n\n", p.dim("breaks in matched pairs"), strings.Join(parts, p.dim(" · ")))
	}
}

func writeStages(w io.Writer, p palette, s *kalla.Summary) {
	var total int64
	var parts []string
	for _, st := range s.Stages {
		total += st.MS
		parts = append(parts, st.Name+" "+duration(st.MS))
	}
	if len(parts) > 0 {
		fmt.Fprintf(w, "  %s  %s  %s\n", p.dim("time    "), duration(total), p.dim("("+strings.Join(parts, ", ")+")"))
	}
	if s.Evidence != "" {
		fmt.Fprintf(w, "  %s  %s\n", p.dim("evidence"), p.accent(printable(s.Evidence)))
	}
}

// writeNext names what can be done with the result.
func writeNext(w io.Writer, p palette, s *kalla.Summary) {
	if s.Evidence == "" {
		return
	}
	folder := shellQuote(s.Evidence)
	g := newGrid(toLeft, toLeft)
	g.row("kalla evidence verify "+folder, p.dim("prove it from the files"))
	g.row("kalla evidence export "+folder+" --format xlsx", p.dim("open it in a spreadsheet"))
	fmt.Fprintln(w)
	g.write(w)
}

// shellQuote makes a path safe to paste into a shell.
func shellQuote(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+,=\\", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
