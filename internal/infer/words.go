package infer

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// meanings maps words of column names to what they mean, in the languages of bank and ledger files.
var meanings = func() map[string]string {
	out := map[string]string{}
	for meaning, words := range map[string]string{
		"id":       "id key uid uuid guid pk",
		"number":   "number no nr num nummer numero numéro ref reference referenz code",
		"amount":   "amount amt total sum value betrag montant importe price gross net paid summe",
		"date":     "date day datum dt on at time booked posted created fecha buchungstag valuta",
		"name":     "name customer client payer payee vendor supplier party counterparty kunde debtor creditor beneficiary company merchant",
		"currency": "currency ccy curr cur waehrung währung devise",
		"text":     "description memo text note notes purpose remittance details zweck verwendungszweck narrative comment",
	} {
		for _, w := range strings.Fields(words) {
			out[w] = meaning
		}
	}
	return out
}()

// words splits a column name at everything but letters and digits, and at capitals: invoiceNo gives invoice, no.
func words(name string) []string {
	var out []string
	var word strings.Builder
	lower := false
	flush := func() {
		if word.Len() > 0 {
			out = append(out, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			lower = false
			continue
		case unicode.IsUpper(r) && lower:
			flush()
		}
		lower = unicode.IsLower(r)
		word.WriteRune(r)
	}
	flush()
	return out
}

// means reports whether a word of the name has that meaning.
func means(name, meaning string) bool {
	return slices.ContainsFunc(words(name), func(w string) bool { return meanings[w] == meaning })
}

// alike is how alike two column names are: the share of words that they have in common, by form or by meaning, 0..1.
func alike(a, b string) float64 {
	x, y := words(a), words(b)
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	common := 0.0
	for _, w := range x {
		switch {
		case slices.Contains(y, w):
			common++
		case meanings[w] != "" && slices.ContainsFunc(y, func(v string) bool { return meanings[v] == meanings[w] }):
			common += 0.7
		}
	}
	return min(1, common/float64(max(len(x), len(y))))
}

var notWord = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// name gives both sources an alias and the recipe its id.
func (d *drafter) name() {
	for _, s := range []*side{d.left, d.right} {
		if s.alias = s.in.Alias; s.alias == "" {
			from := s.in.Source.Table
			if from == "" {
				from = path.Base(strings.ReplaceAll(s.in.Source.Path, `\`, "/"))
				from, _, _ = strings.Cut(from, ".")
			} else if i := strings.LastIndex(from, "."); i >= 0 {
				from = from[i+1:]
			}
			s.alias = from
		}
		s.alias = strings.ToLower(strings.Trim(notWord.ReplaceAllString(s.alias, "_"), "_"))
		s.alias = s.alias[:min(len(s.alias), 50)]
		switch s.alias {
		case "", "l", "r", "left_src", "right_src":
			s.alias = string(s.name) + "_records"
		}
		if s.alias[0] >= '0' && s.alias[0] <= '9' {
			s.alias = "t_" + s.alias
		}
	}
	if d.left.alias == d.right.alias {
		d.left.alias += "_left"
		d.right.alias += "_right"
	}
	for _, s := range []*side{d.left, d.right} {
		s.in.Alias = s.alias
	}
	d.recipe.Version = 1
	d.recipe.ID = strings.ReplaceAll(d.left.alias+"-"+d.right.alias, "_", "-")
	d.recipe.ID = strings.Trim(d.recipe.ID[:min(len(d.recipe.ID), 100)], "-")
	d.recipe.Name = d.left.alias + " to " + d.right.alias
}

// count writes a number with separators.
func count[T int | int64 | float64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// share writes part of whole as a percentage, never rounded up to all.
func share[T int | int64 | float64](part, whole T) string {
	if whole == 0 {
		return "0%"
	}
	p := float64(part) / float64(whole) * 100
	switch {
	case part == whole:
		return "100%"
	case p > 99.9:
		return "99.9%"
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", p), ".0") + "%"
}

// records writes a number of records.
func records(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return count(n) + " records"
}
