package trino

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
)

// Pattern writes a pattern of RE2 in what the regular expressions of all engines
// have in common: classes of characters are written out, as the tables behind
// \pL, \s or (?i) differ between RE2, RE2J and Joni and with their versions.
// Those of Go and of DuckDB are the same.
func Pattern(p string) (string, error) {
	re, err := syntax.Parse(p, syntax.Perl)
	if err != nil {
		return "", err
	}
	if strings.Contains(p, `\pC`) || strings.Contains(p, `\PC`) || strings.Contains(p, `{C}`) || strings.Contains(p, `{^C}`) {
		return "", errors.New(`engines differ in what \p{C} is`)
	}
	var b strings.Builder
	writePattern(&b, re)
	return b.String(), nil
}

// Classes that the normalisations need, with the characters of DuckDB's version of Unicode.
var (
	marks    = explicit(`\p{M}+`)
	alnum    = explicit(`[\p{L}\p{Nd}]+`)
	notAlnum = explicit(`[^\p{L}\p{Nd}]+`)
)

func explicit(p string) string {
	out, err := Pattern(p)
	if err != nil {
		panic(err) // of a constant
	}
	return out
}

// matchesNothing reports whether a pattern may match an empty part of a text.
func matchesNothing(p string) bool {
	re, err := syntax.Parse(p, syntax.Perl)
	return err == nil && least(re) == 0
}

// least is the number of characters that a match has at least.
func least(re *syntax.Regexp) int {
	n := 0
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpNoMatch:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return least(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * least(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			n += least(sub)
		}
	case syntax.OpAlternate:
		n = least(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			n = min(n, least(sub))
		}
	}
	return n
}

func writePattern(b *strings.Builder, re *syntax.Regexp) {
	repeated := func(times string) {
		b.WriteString("(?:")
		writePattern(b, re.Sub[0])
		b.WriteString(")" + times)
		if re.Flags&syntax.NonGreedy != 0 {
			b.WriteString("?")
		}
	}
	switch re.Op {
	case syntax.OpNoMatch:
		b.WriteString(`[^\x{0}-\x{10FFFF}]`)
	case syntax.OpEmptyMatch:
		b.WriteString("(?:)")
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase == 0 || unicode.SimpleFold(r) == r {
				b.WriteString(character(r))
				continue
			}
			b.WriteString("[" + character(r))
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				b.WriteString(character(f))
			}
			b.WriteString("]")
		}
	case syntax.OpCharClass:
		b.WriteString("[")
		for i := 0; i < len(re.Rune); i += 2 {
			b.WriteString(character(re.Rune[i]))
			if re.Rune[i+1] > re.Rune[i] {
				b.WriteString("-" + character(re.Rune[i+1]))
			}
		}
		b.WriteString("]")
	case syntax.OpAnyCharNotNL:
		b.WriteString(`[^\x{A}]`)
	case syntax.OpAnyChar:
		b.WriteString(`[\x{0}-\x{10FFFF}]`)
	case syntax.OpBeginLine:
		b.WriteString("(?m:^)")
	case syntax.OpEndLine:
		b.WriteString("(?m:$)")
	case syntax.OpBeginText:
		b.WriteString(`\A`)
	case syntax.OpEndText:
		b.WriteString(`\z`)
	case syntax.OpWordBoundary:
		b.WriteString(`\b`)
	case syntax.OpNoWordBoundary:
		b.WriteString(`\B`)
	case syntax.OpCapture:
		b.WriteString("(")
		writePattern(b, re.Sub[0])
		b.WriteString(")")
	case syntax.OpStar:
		repeated("*")
	case syntax.OpPlus:
		repeated("+")
	case syntax.OpQuest:
		repeated("?")
	case syntax.OpRepeat:
		switch {
		case re.Max < 0:
			repeated(fmt.Sprintf("{%d,}", re.Min))
		case re.Max == re.Min:
			repeated(fmt.Sprintf("{%d}", re.Min))
		default:
			repeated(fmt.Sprintf("{%d,%d}", re.Min, re.Max))
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writePattern(b, sub)
		}
	case syntax.OpAlternate:
		b.WriteString("(?:")
		for i, sub := range re.Sub {
			if i > 0 {
				b.WriteString("|")
			}
			writePattern(b, sub)
		}
		b.WriteString(")")
	}
}

// character writes one that stands for itself: letters and digits as they are, all others by their number.
func character(r rune) string {
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return string(r)
	}
	return fmt.Sprintf(`\x{%X}`, r)
}
