package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"kalla"
)

// palette styles text for one stream. It uses the sixteen colours of the
// terminal's own theme, or nothing at all.
type palette struct{ colour bool }

// palette follows NO_COLOR (any value but the empty one), TERM=dumb, and
// whether the stream is a terminal.
func (c *command) palette(terminal bool) palette {
	if v, _ := c.env.LookupEnv("NO_COLOR"); v != "" || !terminal {
		return palette{}
	}
	if v, _ := c.env.LookupEnv("TERM"); v == "dumb" {
		return palette{}
	}
	return palette{colour: true}
}

var (
	styleBold   = lipgloss.NewStyle().Bold(true)
	styleDim    = lipgloss.NewStyle().Faint(true)
	styleGood   = lipgloss.NewStyle().Foreground(lipgloss.Green)
	styleWarn   = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	styleBad    = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
	styleAccent = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
)

func (p palette) paint(s lipgloss.Style, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return s.Render(text)
}

func (p palette) bold(s string) string   { return p.paint(styleBold, s) }
func (p palette) dim(s string) string    { return p.paint(styleDim, s) }
func (p palette) good(s string) string   { return p.paint(styleGood, s) }
func (p palette) warn(s string) string   { return p.paint(styleWarn, s) }
func (p palette) bad(s string) string    { return p.paint(styleBad, s) }
func (p palette) accent(s string) string { return p.paint(styleAccent, s) }

// width is how many cells of a terminal a text takes, styled or not.
func width(s string) int { return ansi.StringWidth(s) }

// clip shortens a plain text to n cells.
func clip(s string, n int) string { return ansi.Truncate(s, n, "…") }

// printable shows control characters as visible text: values come from
// strangers' files and must not drive the terminal.
func printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unprintable(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unprintable tells control characters and those that change the direction of text.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// align says where a cell stands in its column.
type align bool

const (
	toLeft  align = false
	toRight align = true
)

// grid is a table without lines: columns as wide as their widest cell.
type grid struct {
	aligns   []align
	rows     [][]string
	maxWidth int // cells of a line, 0 for no limit
}

func newGrid(aligns ...align) *grid { return &grid{aligns: aligns} }

// row adds a row of cells, styled or not; missing ones are empty.
func (g *grid) row(cells ...string) { g.rows = append(g.rows, cells) }

// write prints the rows, indented by two, columns two apart, without trailing space.
func (g *grid) write(w io.Writer) {
	widths := make([]int, len(g.aligns))
	for _, r := range g.rows {
		for i, c := range r {
			widths[i] = max(widths[i], width(c))
		}
	}
	for _, r := range g.rows {
		var b strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", widths[i]-width(c))
			b.WriteString("  ")
			if g.aligns[i] == toRight {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if g.maxWidth > 0 {
			line = clip(line, g.maxWidth)
		}
		fmt.Fprintln(w, line)
	}
}

// bar draws a share of the width, in eighths of a cell; anything that is not
// nothing is visible.
func bar(part, whole int64, cells int) string {
	if whole <= 0 || part <= 0 {
		return ""
	}
	eighths := max(1, int(float64(part)/float64(whole)*float64(cells*8)+0.5))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}

// number writes an integer with separators between thousands: 1,234,567.
func number(n int64) string { return thousands(fmt.Sprint(n)) }

// money writes a decimal with separators and at least the given places.
func money(d kalla.Decimal, places int32) string {
	if -d.Exponent() > places {
		places = -d.Exponent()
	}
	return thousands(d.StringFixed(places))
}

// thousands puts separators into the integer part of a decimal in text form.
func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if point {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// percent writes a share of 0..1 as "60.01 %".
func percent(rate kalla.Decimal) string { return rate.Shift(2).StringFixed(2) + " %" }

// share writes part of whole as "60.0 %", rounded down so that 100.0 % means all.
func share(part, whole int64) string {
	if whole == 0 {
		return ""
	}
	tenths := part * 1000 / whole
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

// duration writes milliseconds as people say them.
func duration(ms int64) string {
	switch {
	case ms < 1000:
		return fmt.Sprintf("%d ms", ms)
	case ms < 60_000:
		return fmt.Sprintf("%d.%d s", ms/1000, ms%1000/100)
	}
	s := ms / 1000
	if s < 3600 {
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %02d min", s/3600, s%3600/60)
}

// bytes writes a size in powers of ten.
func bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
