package gate

// The tree of a checked text: what another engine writes its own SQL from.
// Functions have the names of docs/functions.md, before they are replaced by
// definitions of DuckDB; operators are functions called "+", "||", "~~" (LIKE) and so on.

// Position is a place in a text, line and column (in characters) from 1; zero where it is not known.
type Position struct{ Line, Column int }

// Pos returns the position itself: what every node of a tree has.
func (p Position) Pos() Position { return p }

// Expr is an expression: one of the pointer types below.
type Expr interface{ Pos() Position }

// LiteralKind is the type of a literal.
type LiteralKind string

// The types of literals. Dates and booleans are casts of texts.
const (
	NullLiteral    LiteralKind = "null"
	BooleanLiteral LiteralKind = "boolean"
	IntegerLiteral LiteralKind = "integer"
	DecimalLiteral LiteralKind = "decimal"
	TextLiteral    LiteralKind = "text"
)

// Literal is a value that is written out.
type Literal struct {
	Position
	Kind  LiteralKind
	Value string // without quotes; a decimal has all its places
}

// Column is a reference to a column.
type Column struct {
	Position
	Qualifier string // "" where the text has none
	Name      string
}

// Call is a call of a function, an operator, or coalesce.
type Call struct {
	Position
	Name     string
	Args     []Expr
	Distinct bool
	Filter   Expr // nil without one
	Over     *Window
}

// Window is what stands behind OVER. The offset and default of lag and lead are Call.Args.
type Window struct {
	Partition []Expr
	Order     []Order
	Frame     string // "" for the default, else "ROWS" or "RANGE"
	From, To  Bound
}

// Bound is one end of a frame.
type Bound struct {
	Kind   string // "UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING", "UNBOUNDED FOLLOWING"
	Offset Expr   // of PRECEDING and FOLLOWING
}

// Order is an element of ORDER BY.
type Order struct {
	Expr       Expr
	Descending bool
	NullsFirst bool // last is the default in either direction
}

// CastType is the type that a cast names: one of VARCHAR, BOOLEAN, SMALLINT, INTEGER, BIGINT, DECIMAL, DATE, TIMESTAMP.
type CastType struct {
	Name             string
	Precision, Scale int // of DECIMAL
}

// Cast is a conversion; one that tries gives NULL where the value does not fit.
type Cast struct {
	Position
	Expr Expr
	Type CastType
	Try  bool
}

// Case is CASE WHEN … END. Else is a literal NULL where the text has none.
type Case struct {
	Position
	Whens []When
	Else  Expr
}

// When is one branch of a Case.
type When struct{ Condition, Value Expr }

// Logic joins conditions by AND or OR.
type Logic struct {
	Position
	Op   string
	Args []Expr
}

// Not negates a condition.
type Not struct {
	Position
	Expr Expr
}

// IsNull tests for NULL, or with Not for anything else.
type IsNull struct {
	Position
	Expr Expr
	Not  bool
}

// Compare compares two values. Op is =, <>, <, <=, >, >=, IS DISTINCT FROM or IS NOT DISTINCT FROM.
type Compare struct {
	Position
	Op          string
	Left, Right Expr
}

// Between is a comparison with both ends of a range.
type Between struct {
	Position
	Expr, Low, High Expr
}

// In looks a value up in a list.
type In struct {
	Position
	Expr Expr
	List []Expr
	Not  bool
}

// Subquery is a query in an expression. Kind is SCALAR, EXISTS, NOT_EXISTS or
// ANY, which compares Left by Op with each row.
type Subquery struct {
	Position
	Kind  string
	Query *Query
	Left  Expr
	Op    string
}

// Query is a SELECT, or two queries joined by a set operation.
type Query struct {
	Position
	With    []CTE
	Select  *Select // nil for a set operation
	Set     *Set    // nil for a SELECT
	OrderBy []Order
	Limit   string // a number, "" without
	Offset  string
}

// CTE is a common table expression. It sees those before it.
type CTE struct {
	Name    string
	Columns []string // new names of its first columns
	Query   *Query
}

// Set is a set operation: UNION, EXCEPT or INTERSECT.
type Set struct {
	Op          string
	All         bool
	Left, Right *Query
}

// Select is SELECT … FROM … WHERE … GROUP BY … HAVING …
type Select struct {
	Distinct bool
	Items    []Item
	From     Relation // nil without
	Where    Expr
	GroupBy  []Expr
	Having   Expr
}

// Item is an element of a select list: a star, or an expression.
type Item struct {
	Star      bool
	Qualifier string // of a star
	Expr      Expr
	Alias     string // "" without
}

// Relation is an element of FROM: *Table, *Derived, *Values or *Join.
type Relation interface{ Pos() Position }

// Table is a table of the session or a common table expression.
type Table struct {
	Position
	Name     string   // as Tables have it, "" for a common table expression
	Physical string   // the table of the session, or the common table expression
	Alias    string   // never empty
	Columns  []string // new names of its first columns
}

// Derived is a sub-select in FROM.
type Derived struct {
	Position
	Query   *Query
	Alias   string // "" without
	Columns []string
}

// Values is a list of rows in FROM.
type Values struct {
	Position
	Rows    [][]Expr
	Alias   string // "" without
	Columns []string
}

// Join joins two relations. Kind is INNER, LEFT, RIGHT, FULL or CROSS.
type Join struct {
	Position
	Kind        string
	Left, Right Relation
	On          Expr // nil with Using, and for CROSS
	Using       []string
}
