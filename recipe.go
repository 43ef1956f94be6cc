package kalla

import "strings"

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// Recipe is the document that says which two sources are compared, what a
// match is, and what must come out. Package recipe reads, binds and validates
// it; the fields hold values after parameters are bound.
type Recipe struct {
	Version     int         `json:"kalla"`
	ID          string      `json:"recipe_id"`
	Name        string      `json:"name,omitempty"`
	Description string      `json:"description,omitempty"`
	Parameters  []Parameter `json:"parameters,omitempty"`
	Sources     Sources     `json:"sources"`
	Extras      []Extra     `json:"extras,omitempty"`
	Match       []Pass      `json:"match,omitempty"`
	Compare     []Compare   `json:"compare,omitempty"`
	MatchSQL    string      `json:"match_sql,omitempty"`
	OnBadKey    OnBadKey    `json:"on_bad_key,omitempty"`
	Consistency Consistency `json:"consistency,omitempty"`
}

// Consistency says of which points in time the records of a source have to be.
type Consistency string

// The consistencies. The zero value means AnyConsistency.
const (
	AnyConsistency Consistency = "any"      // what the source gives; the evidence says what that was
	OneSnapshot    Consistency = "snapshot" // one point in time, or the run fails
)

// OnBadKey says what a NULL or duplicate primary key does to a run.
type OnBadKey string

// What a bad key does. The zero value means ReportBadKeys.
const (
	ReportBadKeys OnBadKey = "report" // the rows end unmatched with reason bad_key
	FailOnBadKeys OnBadKey = "fail"   // the run fails
)

// Parameter is a value that is bound when the recipe runs.
type Parameter struct {
	Name        string `json:"name"`
	Type        string `json:"type"` // text, integer, decimal, date, boolean
	Default     string `json:"default,omitempty"`
	Required    bool   `json:"required,omitempty"`
	Description string `json:"description,omitempty"`
	HasDefault  bool   `json:"-"`
}

// Sources are the two sides of a recipe.
type Sources struct {
	Left  Source `json:"left"`
	Right Source `json:"right"`
}

// Source is one side of a recipe as written: where its records are and which of them count.
type Source struct {
	Alias      string            `json:"alias"`
	URI        string            `json:"uri,omitempty"`
	Source     string            `json:"source,omitempty"` // a registered source, instead of URI
	PrimaryKey []string          `json:"primary_key"`
	Anchor     bool              `json:"anchor,omitempty"`
	Filters    []Filter          `json:"filters,omitempty"`
	Types      map[string]Type   `json:"types,omitempty"`
	Options    map[string]string `json:"options,omitempty"` // how a file is read: delimiter, quote, encoding, decimal, header, skip, sheet, …
	Derive     []Derived         `json:"derive,omitempty"`
}

// Derived is a virtual column: a name and an SQL expression over the columns before it.
type Derived struct {
	Name string `json:"name"`
	SQL  string `json:"sql"`
}

// FilterOp is a comparison of a filter.
type FilterOp string

// The filter operations.
const (
	FilterEq        FilterOp = "eq"
	FilterNeq       FilterOp = "neq"
	FilterGt        FilterOp = "gt"
	FilterGte       FilterOp = "gte"
	FilterLt        FilterOp = "lt"
	FilterLte       FilterOp = "lte"
	FilterBetween   FilterOp = "between" // two values, both ends inclusive
	FilterIn        FilterOp = "in"
	FilterLike      FilterOp = "like"
	FilterIsNull    FilterOp = "is_null"
	FilterIsNotNull FilterOp = "not_null"
)

// Filter keeps the records for which it holds. Values are literals in text
// form; they are typed by the column and never pasted into SQL unquoted.
type Filter struct {
	Column string   `json:"column"`
	Op     FilterOp `json:"op"`
	Values []string `json:"values,omitempty"` // one for most ops, two for between, any for in, none for is_null
}

// Extra is a reference table that derived columns and raw SQL may join by its alias.
type Extra struct {
	Alias   string            `json:"alias"`
	URI     string            `json:"uri"`
	Role    string            `json:"role,omitempty"`
	Types   map[string]Type   `json:"types,omitempty"`
	Options map[string]string `json:"options,omitempty"`
}

// Cardinality says how many records a match may hold on each side.
type Cardinality string

// The cardinalities. The empty one is allowed with raw SQL only: every pair is a match.
const (
	OneToOne   Cardinality = "one_to_one"
	OneToMany  Cardinality = "one_to_many" // one left record, a group of right records
	ManyToOne  Cardinality = "many_to_one"
	ManyToMany Cardinality = "many_to_many"
	AllPairs   Cardinality = ""
)

// Ambiguity says what happens to records with equally good candidates.
type Ambiguity string

// The zero value means Best.
const (
	Best  Ambiguity = "best"  // key order decides, the match is marked ambiguous
	Leave Ambiguity = "leave" // nobody is matched, reason ambiguous
)

// Pass is one rule of the waterfall; it sees what earlier passes left.
type Pass struct {
	Name        string      `json:"name"`
	Cardinality Cardinality `json:"cardinality,omitempty"`
	When        []Condition `json:"when,omitempty"`
	SQL         string      `json:"sql,omitempty"` // a predicate over l and r, in addition to When
	Block       []Block     `json:"block,omitempty"`
	Sum         *Sum        `json:"sum,omitempty"`
	Subset      *Subset     `json:"subset,omitempty"`
	Prefer      []string    `json:"prefer,omitempty"` // left columns of conditions that measure a difference
	OnAmbiguous Ambiguity   `json:"on_ambiguous,omitempty"`
}

// Op is the comparison of a condition.
type Op string

// The condition operations. Within and Similar are expressed by their own fields.
const (
	OpEq          Op = "eq"
	OpNeq         Op = "neq"
	OpGt          Op = "gt"
	OpGte         Op = "gte"
	OpLt          Op = "lt"
	OpLte         Op = "lte"
	OpPrefixOf    Op = "prefix_of"    // left is a prefix of right
	OpHasPrefix   Op = "has_prefix"   // right is a prefix of left
	OpContainedIn Op = "contained_in" // left occurs inside right
	OpContains    Op = "contains"     // right occurs inside left
)

// Condition relates one left column to one right column. Exactly one of the
// forms holds: Within, Similar, or Op (the zero Op is OpEq). NULL satisfies no condition.
type Condition struct {
	Left      string      `json:"left"`
	Right     string      `json:"right"`
	Op        Op          `json:"op,omitempty"`
	Within    *Within     `json:"within,omitempty"`
	Similar   *Decimal    `json:"similar,omitempty"` // least similarity, 0..1
	Method    Method      `json:"method,omitempty"`
	Normalize []Normalize `json:"normalize,omitempty"` // applied in order to both sides
}

// Method measures how similar two texts are.
type Method string

// The similarity methods. The zero value means Levenshtein.
const (
	Levenshtein Method = "levenshtein"
	JaroWinkler Method = "jaro_winkler"
	TokenSet    Method = "token_set"
)

// Normalize is one step of text normalisation.
type Normalize string

// The normalisations.
const (
	Trim              Normalize = "trim"
	Upper             Normalize = "upper"
	Alnum             Normalize = "alnum"  // keep letters and digits
	Digits            Normalize = "digits" // keep digits
	StripLeadingZeros Normalize = "strip_leading_zeros"
	Unaccent          Normalize = "unaccent"
	CollapseSpaces    Normalize = "collapse_spaces"
)

// Within is a tolerance; exactly one field is set. Both ends are inclusive.
type Within struct {
	Absolute *Decimal `json:"absolute,omitempty"` // |left − right| ≤ this
	Percent  *Decimal `json:"percent,omitempty"`  // |left − right| ≤ |left| · this / 100
	Days     *Window  `json:"days,omitempty"`     // right − left, calendar days
	Hours    *Window  `json:"hours,omitempty"`    // right − left, hours of 3600 seconds
}

// Window is an inclusive range of right − left. A single number n in a recipe means [−n, n].
type Window struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// BlockTransform maps a text to what must be equal for two records to be compared.
type BlockTransform string

// The block transforms; First and Ngram take Block.N.
const (
	BlockExact   BlockTransform = "" // the value itself
	BlockSoundex BlockTransform = "soundex"
	BlockFirst   BlockTransform = "first" // the first N characters
	BlockNgram   BlockTransform = "ngram" // share any N consecutive characters
)

// Block names a cheap equality that candidates must share; several blocks mean their union.
type Block struct {
	Left      string         `json:"left"`
	Right     string         `json:"right"`
	Transform BlockTransform `json:"transform,omitempty"`
	N         int            `json:"n,omitempty"`
}

// Sum demands that a group balances: the sums of both columns differ by no more than Within.
// A nil Within means exactly equal.
type Sum struct {
	Left   string  `json:"left"`
	Right  string  `json:"right"`
	Within *Within `json:"within,omitempty"` // Absolute or Percent
}

// Subset asks for a subset of the candidates that balances, of at most Max records.
type Subset struct {
	Max int `json:"max"`
}

// Compare checks a field on matched pairs; a difference is a break, not a non-match.
type Compare struct {
	Left      string      `json:"left"`
	Right     string      `json:"right"`
	Within    *Within     `json:"within,omitempty"`
	Normalize []Normalize `json:"normalize,omitempty"`
}

// Reason says why a record is not matched.
type Reason string

// The reasons, from the recipe's own conditions.
const (
	NoCandidate        Reason = "no_candidate"
	AmountDiffers      Reason = "amount_differs"
	DateOutsideWindow  Reason = "date_outside_window"
	CurrencyDiffers    Reason = "currency_differs"
	ValueDiffers       Reason = "value_differs" // another plain condition fails
	TextBelowThreshold Reason = "text_below_threshold"
	Taken              Reason = "taken"
	GroupUnbalanced    Reason = "group_does_not_balance"
	Ambiguous          Reason = "ambiguous"
	BadKey             Reason = "bad_key"
)
