package oracle

import (
	"math/big"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"kalla"
)

// normalize applies the steps in order; empty text counts as NULL.
func normalize(s string, steps []kalla.Normalize) string {
	for _, step := range steps {
		switch step {
		case kalla.Trim:
			s = strings.TrimSpace(s)
		case kalla.Upper:
			s = strings.Map(upper, s)
		case kalla.Alnum:
			s = keep(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
		case kalla.Digits:
			s = keep(s, func(r rune) bool { return '0' <= r && r <= '9' })
		case kalla.StripLeadingZeros:
			s = strings.TrimLeft(s, "0")
		case kalla.Unaccent:
			s = unaccent(s)
		case kalla.CollapseSpaces:
			s = collapse(s)
		default:
			panic("oracle: unknown normalisation " + string(step))
		}
	}
	return s
}

// upper maps one character; Go leaves the ß as it is.
func upper(r rune) rune {
	if r == 'ß' {
		return 'ẞ'
	}
	return unicode.ToUpper(r)
}

func keep(s string, f func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if f(r) {
			return r
		}
		return -1
	}, s)
}

func collapse(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	if space {
		b.WriteByte(' ')
	}
	return b.String()
}

// accented pairs each plain letter with the letters that are it with a
// diacritic or a stroke, for Latin-1 and Latin Extended-A. Ligatures (æ, œ, ß)
// are letters of their own and stay.
var accented = func() map[rune]rune {
	m := map[rune]rune{}
	for plain, letters := range map[rune]string{
		'A': "ÀÁÂÃÄÅĀĂĄ", 'C': "ÇĆĈĊČ", 'D': "ĎĐ", 'E': "ÈÉÊËĒĔĖĘĚ", 'G': "ĜĞĠĢ", 'H': "ĤĦ",
		'I': "ÌÍÎÏĨĪĬĮİ", 'J': "Ĵ", 'K': "Ķ", 'L': "ĹĻĽŁ", 'N': "ÑŃŅŇ", 'O': "ÒÓÔÕÖŌŎŐØ",
		'R': "ŔŖŘ", 'S': "ŚŜŞŠ", 'T': "ŢŤŦ", 'U': "ÙÚÛÜŨŪŬŮŰŲ", 'W': "Ŵ", 'Y': "ÝŶŸ", 'Z': "ŹŻŽ",
		'a': "àáâãäåāăą", 'c': "çćĉċč", 'd': "ďđ", 'e': "èéêëēĕėęě", 'g': "ĝğġģ", 'h': "ĥħ",
		'i': "ìíîïĩīĭįı", 'j': "ĵ", 'k': "ķ", 'l': "ĺļľł", 'n': "ñńņň", 'o': "òóôõöōŏőø",
		'r': "ŕŗř", 's': "śŝşš", 't': "ţťŧ", 'u': "ùúûüũūŭůűų", 'w': "ŵ", 'y': "ýÿŷ", 'z': "źżž",
	} {
		for _, r := range letters {
			m[r] = plain
		}
	}
	return m
}()

func unaccent(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		if plain, ok := accented[r]; ok {
			return plain
		}
		return r
	}, s)
}

const million = 1_000_000

// dissimilarity is 1 − the similarity of two texts, in millionths.
func dissimilarity(m kalla.Method, a, b string) int64 {
	switch m {
	case "", kalla.Levenshtein:
		return editShare(a, b)
	case kalla.JaroWinkler:
		rest := new(big.Rat).Sub(big.NewRat(1, 1), jaroWinkler(a, b))
		return roundRat(rest.Mul(rest, big.NewRat(million, 1)))
	case kalla.TokenSet:
		return tokenSet(a, b)
	}
	panic("oracle: unknown method " + string(m))
}

// editShare is ⌈distance · 10⁶ / max(length)⌉, lengths in characters; two texts
// without a character are equal.
func editShare(s, t string) int64 {
	a, b := []rune(s), []rune(t)
	longest := int64(max(len(a), len(b)))
	if longest == 0 {
		return 0
	}
	return (int64(distance(a, b))*million + longest - 1) / longest
}

// distance is the least number of insertions, deletions and substitutions, by
// the textbook table.
func distance(a, b []rune) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
		}
	}
	return d[len(a)][len(b)]
}

// jaroWinkler is Winkler's measure: characters are common when equal and no
// further apart than half the longer text less one; half the common characters
// out of order, rounded down, are transpositions; a score above 0.7 gains a
// tenth of what it lacks for each of at most four leading characters shared.
func jaroWinkler(s, t string) *big.Rat {
	a, b := []rune(s), []rune(t)
	one := big.NewRat(1, 1)
	if len(a) == 0 && len(b) == 0 {
		return one
	}
	window := max(max(len(a), len(b))/2-1, 0)
	usedB := make([]bool, len(b))
	var commonA []rune
	for i := range a {
		for j := max(0, i-window); j < min(len(b), i+window+1); j++ {
			if !usedB[j] && a[i] == b[j] {
				usedB[j] = true
				commonA = append(commonA, a[i])
				break
			}
		}
	}
	m := int64(len(commonA))
	if m == 0 {
		return new(big.Rat)
	}
	outOfOrder, k := 0, 0
	for j := range b {
		if !usedB[j] {
			continue
		}
		if b[j] != commonA[k] {
			outOfOrder++
		}
		k++
	}
	score := big.NewRat(m, int64(len(a)))
	score.Add(score, big.NewRat(m, int64(len(b))))
	score.Add(score, big.NewRat(m-int64(outOfOrder/2), m))
	score.Quo(score, big.NewRat(3, 1))
	if score.Cmp(big.NewRat(7, 10)) > 0 {
		prefix := 0
		for prefix < min(len(a), len(b), 4) && a[prefix] == b[prefix] {
			prefix++
		}
		bonus := new(big.Rat).Sub(one, score)
		score.Add(score, bonus.Mul(bonus, big.NewRat(int64(prefix), 10)))
	}
	return score
}

// roundRat rounds to a whole number, half away from zero.
func roundRat(r *big.Rat) int64 {
	n, err := strconv.ParseInt(r.FloatString(0), 10, 64)
	if err != nil {
		panic("oracle: rounding " + r.String())
	}
	return n
}

// words are the distinct runs of letters and digits, sorted.
func words(s string) []string {
	seen := map[string]bool{}
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		seen[w] = true
	}
	out := make([]string, 0, len(seen))
	for w := range seen {
		out = append(out, w)
	}
	sort.Strings(out)
	return out
}

// tokenSet compares the common words, alone and with the rest of each text.
func tokenSet(s, t string) int64 {
	ws, wt := words(s), words(t)
	in := func(list []string, w string) bool {
		for _, x := range list {
			if x == w {
				return true
			}
		}
		return false
	}
	var common, restS, restT []string
	for _, w := range ws {
		if in(wt, w) {
			common = append(common, w)
		} else {
			restS = append(restS, w)
		}
	}
	for _, w := range wt {
		if !in(ws, w) {
			restT = append(restT, w)
		}
	}
	i := strings.Join(common, " ")
	withS := strings.Join(append(append([]string{}, common...), restS...), " ")
	withT := strings.Join(append(append([]string{}, common...), restT...), " ")
	best := editShare(withS, withT)
	if len(common) > 0 {
		best = min(best, editShare(i, withS), editShare(i, withT))
	}
	return best
}

// soundex is the American Soundex of the letters A to Z that s has without its
// diacritics, whatever stands between them; empty without one.
func soundex(s string) string {
	codes := map[rune]byte{}
	for code, letters := range map[byte]string{'1': "BFPV", '2': "CGJKQSXZ", '3': "DT", '4': "L", '5': "MN", '6': "R"} {
		for _, r := range letters {
			codes[r] = code
		}
	}
	var out []byte
	var last byte
	for _, r := range strings.ToUpper(unaccent(s)) {
		if r < 'A' || r > 'Z' {
			continue
		}
		code := codes[r]
		switch {
		case len(out) == 0:
			out, last = append(out, byte(r)), code
		case r == 'H' || r == 'W':
			// H and W do not separate equal codes.
		case code == 0:
			last = 0
		case code != last:
			out, last = append(out, code), code
		}
	}
	if len(out) == 0 {
		return ""
	}
	return string(append(out, "000"...)[:4])
}

func firstRunes(s string, n int) string {
	r := []rune(s)
	return string(r[:min(n, len(r))])
}

// shareNgram reports whether some n consecutive characters occur in both; a
// text shorter than n has none.
func shareNgram(a, b string, n int) bool {
	r := []rune(a)
	for i := 0; i+n <= len(r); i++ {
		if strings.Contains(b, string(r[i:i+n])) {
			return true
		}
	}
	return false
}
