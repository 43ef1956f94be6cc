package recipe

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"kalla"
)

// The types of parameters.
const (
	typeText    = "text"
	typeInteger = "integer"
	typeDecimal = "decimal"
	typeDate    = "date"
	typeBoolean = "boolean"
)

var parameterTypes = []string{typeText, typeInteger, typeDecimal, typeDate, typeBoolean}

// Parameters returns the parameters that the document declares, as far as
// their declaration is in order (Validate names the faults).
func (d *Document) Parameters() []kalla.Parameter {
	dec := newDecoder(d, true)
	return dec.parameters(dec.object("", d.root))
}

// Validate finds every fault that shows without the sources and without values
// for the required parameters: it is what an editor runs while one types.
// What depends on a parameter without a value is taken to be right.
func (d *Document) Validate() kalla.Faults {
	_, faults := d.Draft(nil)
	return faults
}

// Draft decodes the document as far as the given parameters and the defaults
// go, for display. Where a parameter has no value the recipe holds its
// reference in texts, and zero for a number. The recipe is never nil; a run
// takes Bind's.
func (d *Document) Draft(params map[string]string) (*kalla.Recipe, kalla.Faults) {
	dec := newDecoder(d, true)
	r := dec.recipe(params)
	return r, dec.sorted()
}

// Bind gives the parameters their values and returns the recipe to run. The
// parameters of the result carry the values as defaults, so that the recipe,
// written out, says what it ran with and runs again without any.
//
// The error is a *kalla.Error of class recipe that wraps kalla.Faults: those
// of the values and all those that Validate finds.
func (d *Document) Bind(params map[string]string) (*kalla.Recipe, error) {
	dec := newDecoder(d, false)
	r := dec.recipe(params)
	if faults := dec.sorted(); len(faults) > 0 {
		return nil, failure("reading recipe", d.name, faults)
	}
	return r, nil
}

// bind checks the given values and fills d.values.
func (d *decoder) bind(declared []kalla.Parameter, params map[string]string) []kalla.Parameter {
	names := make([]string, len(declared))
	for i := range declared {
		p := &declared[i]
		names[i] = p.Name
		d.declared[p.Name] = p.Type
		value, given := params[p.Name]
		switch {
		case given:
			v, why := parameterValue(p.Type, value)
			if why != "" {
				d.add(d.paramPath[p.Name], fmt.Sprintf("the value %s of parameter %s %s", quote(value), p.Name, why), parameterHint(p.Type))
				d.failed[p.Name] = true
				continue
			}
			d.values[p.Name] = v
		case p.HasDefault:
			d.values[p.Name] = p.Default
		case p.Required && !d.draft:
			d.add(d.paramPath[p.Name], fmt.Sprintf("parameter %s has no value and is required", p.Name),
				fmt.Sprintf("pass one: --param %s=…", p.Name))
			d.failed[p.Name] = true
			continue
		default:
			continue
		}
		if !d.draft {
			p.Default, p.HasDefault, p.Required = d.values[p.Name], true, false
		}
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if _, ok := d.declared[name]; !ok {
			d.add(join("parameters", name), "the recipe has no such parameter", suggest(name, names, "its parameters are"))
		}
	}
	return declared
}

var (
	integerValue = regexp.MustCompile(`^[+-]?[0-9]{1,18}$`)
	decimalValue = regexp.MustCompile(`^[+-]?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][+-]?[0-9]{1,2})?$`)
)

// maxDigits is the number of digits that every engine's decimals hold.
const maxDigits = 38

// parseDecimal reads an exact number of at most 38 digits. Equal numbers come
// out identical, whatever their trailing zeros.
func parseDecimal(s string) (kalla.Decimal, bool) {
	if !decimalValue.MatchString(s) {
		return kalla.Decimal{}, false
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return kalla.Decimal{}, false
	}
	text := d.String()
	if digits := strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(text), "0"); len(digits) > maxDigits {
		return kalla.Decimal{}, false
	}
	if _, fraction, _ := strings.Cut(text, "."); len(fraction) > maxDigits {
		return kalla.Decimal{}, false
	}
	d, err = decimal.NewFromString(text)
	return d, err == nil
}

// parameterValue returns the canonical text of a value, or why it is none of the type.
func parameterValue(typ, s string) (value, why string) {
	switch typ {
	case typeInteger:
		if s = strings.TrimSpace(s); !integerValue.MatchString(s) {
			return "", "is not a whole number of at most 18 digits"
		}
		return decimal.RequireFromString(s).String(), ""
	case typeDecimal:
		d, ok := parseDecimal(strings.TrimSpace(s))
		if !ok {
			return "", "is not a decimal number of at most 38 digits"
		}
		return d.String(), ""
	case typeDate:
		if s = strings.TrimSpace(s); !isDate(s) {
			return "", "is not a date"
		}
		return s, ""
	case typeBoolean:
		if s = strings.TrimSpace(s); s != "true" && s != "false" {
			return "", "is neither true nor false"
		}
		return s, ""
	}
	switch {
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return "", "is not text"
	case strings.Contains(s, "${"):
		return "", "holds ${: a value cannot refer to another one"
	}
	return s, ""
}

func parameterHint(typ string) string {
	switch typ {
	case typeInteger:
		return "write it like 45"
	case typeDecimal:
		return "write it like 1234.56: a point for the decimals, nothing between the thousands"
	case typeDate:
		return "write it like 2026-11-30"
	case typeBoolean:
		return "write true or false"
	}
	return ""
}

// isDate reports whether s is a day of the calendar in ISO 8601, years 1 to 9999.
func isDate(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	return err == nil && t.Year() >= 1
}

// sqlLiteral writes a checked value as one SQL literal that every engine reads alike.
func sqlLiteral(typ, value string) string {
	switch typ {
	case typeInteger, typeDecimal:
		if strings.HasPrefix(value, "-") {
			return "(" + value + ")" // x -${y} must not become a comment
		}
		return value
	case typeBoolean:
		return strings.ToUpper(value)
	case typeDate:
		return "DATE '" + value + "'"
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}
