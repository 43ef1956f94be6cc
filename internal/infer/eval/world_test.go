package eval_test

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A world is a pair of sources with a truth that is known, since it was there first.
type world struct {
	name, about string
	least       float64 // F1 that the drafted recipe must reach
	left, right *sheet
	truth       map[[2]string]bool // keys of the records that belong together and agree
	*rand.Rand
}

// sheet is a file. Its first columns identify its records for the truth: as many as keys says.
type sheet struct {
	file   string
	comma  rune
	keys   int
	header []string
	rows   [][]string
}

func newWorld(name, about string, seed uint64, least float64) *world {
	return &world{name: name, about: about, least: least, truth: map[[2]string]bool{}, Rand: rand.New(rand.NewPCG(seed, 0x5eed))}
}

func newSheet(file string, columns string) *sheet {
	return &sheet{file: file, comma: ',', keys: 1, header: strings.Split(columns, ",")}
}

// add adds a record and returns its key.
func (s *sheet) add(cells ...any) string {
	if len(cells) != len(s.header) {
		panic(fmt.Sprintf("%s: %d cells for %d columns", s.file, len(cells), len(s.header)))
	}
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	s.rows = append(s.rows, row)
	return strings.Join(row[:s.keys], "|")
}

func (w *world) pair(left, right string) { w.truth[[2]string{left, right}] = true }

// chance is true in so many of a hundred cases.
func (w *world) chance(percent float64) bool { return w.Float64()*100 < percent }

// between draws a number of from … to.
func (w *world) between(from, to int) int { return from + w.IntN(to-from+1) }

// write writes both files in an order of their own.
func (w *world) write(t *testing.T, dir string) {
	t.Helper()
	for _, s := range []*sheet{w.left, w.right} {
		w.Shuffle(len(s.rows), func(i, j int) { s.rows[i], s.rows[j] = s.rows[j], s.rows[i] })
		file, err := os.Create(filepath.Join(dir, s.file))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		out := csv.NewWriter(file)
		out.Comma = s.comma
		if err := out.WriteAll(append([][]string{s.header}, s.rows...)); err != nil {
			t.Fatal(err)
		}
	}
}

// day is a day of 2025, counted from its first.
func day(n int) time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func iso(n int) string       { return day(n).Format(time.DateOnly) }
func european(n int) string  { return day(n).Format("02.01.2006") }
func american(n int) string  { return day(n).Format("01/02/2006") }
func british(n int) string   { return day(n).Format("02/01/2006") }
func compact(n int) string   { return day(n).Format("20060102") }
func bankMonth(n int) string { return day(n).Format("02-Jan-2006") }

// plain writes cents with a point: 1234.56.
func plain(cents int) string { return sign(cents) + grouped(cents, "", ".") }

// comma writes them as on the continent: 1.234,56.
func comma(cents int) string { return sign(cents) + grouped(cents, ".", ",") }

// thousands writes them as in English: 1,234.56.
func thousands(cents int) string { return sign(cents) + grouped(cents, ",", ".") }

func sign(cents int) string {
	if cents < 0 {
		return "-"
	}
	return ""
}

func grouped(cents int, mark, point string) string {
	cents = max(cents, -cents)
	whole := fmt.Sprint(cents / 100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + mark + whole[i:]
	}
	return fmt.Sprintf("%s%s%02d", whole, point, cents%100)
}

// amount draws cents as invoices have them: many small, few large.
func (w *world) amount() int {
	scale := []int{5_000, 40_000, 300_000, 2_500_000}[w.IntN(4)]
	return 100 + w.IntN(scale)
}

func (w *world) one(list []string) string { return list[w.IntN(len(list))] }

var (
	firstNames = strings.Fields("Aino Bram Chiara Dávid Elif Fatima Gaël Hana Ivo Jürgen Katarzyna Léa Mateus Niamh Olof Petra Quentin Rosa Søren Tomás Ulla Viktor Wanda Xavier Yusuf Zoë")
	lastNames  = strings.Fields("Abramović Bianchi Çelik Dubois Eriksson Fernández Grześkowiak Høgh Ionescu Jónsson Kovács Lefèvre Müller Novák O'Brien Pérez Quist Rodríguez Schäfer Tóth Ünal Virtanen Weiß Xhaka Yıldız Żukowski Álvarez Baptista Cörper Dvořák")
	trades     = strings.Fields("Optics Plumbing Textiles Catering Robotics Nursery Printing Ceramics Aviation Dairy Motors Analytics Roofing Instruments Interiors Seafood Packaging Brewing Antiques Telecom")
	places     = strings.Fields("Aarhus Basel Coimbra Dresden Évora Fürth Gävle Haarlem Izmir Jyväskylä Kraków Liège Málaga Nîmes Örebro Porto Québec Reykjavík Szeged Tromsø Uppsala Västerås Wrocław Zürich")
	forms      = []string{"GmbH", "S.A.", "Ltd", "AB", "Oy", "S.r.l.", "B.V.", "A/S", "Sp. z o.o.", "SARL", "AG", "Lda."}
)

// firms draws that many names of companies, all different.
func (w *world) firms(n int) []string {
	seen := map[string]bool{}
	var out []string
	for len(out) < n {
		var name string
		switch w.IntN(3) {
		case 0:
			name = w.one(lastNames) + " " + w.one(trades)
		case 1:
			name = w.one(places) + " " + w.one(trades)
		default:
			name = w.one(lastNames) + " & " + w.one(lastNames) + " " + w.one(trades)
		}
		if !seen[name] {
			seen[name] = true
			out = append(out, name+" "+w.one(forms))
		}
	}
	return out
}

var fold = strings.NewReplacer("á", "a", "ä", "ae", "å", "a", "ć", "c", "Ç", "C", "ç", "c", "é", "e", "è", "e", "ë", "e", "ê", "e", "ě", "e", "í", "i", "î", "i", "ı", "i", "ł", "l", "ń", "n", "ñ", "n",
	"ó", "o", "ö", "oe", "ø", "o", "ř", "r", "ś", "s", "ß", "ss", "Ü", "UE", "ü", "ue", "ú", "u", "ý", "y", "Ż", "Z", "ž", "z", "Á", "A", "É", "E", "Ö", "OE", "à", "a", "ô", "o")

// asciiBank writes a name as banks of old do: capitals, no accents, 27 characters.
func asciiBank(name string) string {
	s := strings.ToUpper(fold.Replace(name))
	if len(s) > 27 {
		s = strings.TrimSpace(s[:27])
	}
	return s
}

// typo swaps two letters, or leaves one out.
func (w *world) typo(s string) string {
	r := []rune(s)
	if len(r) < 5 {
		return s
	}
	i := w.between(1, len(r)-3)
	if w.chance(50) {
		r[i], r[i+1] = r[i+1], r[i]
		return string(r)
	}
	return string(append(r[:i:i], r[i+1:]...))
}
