package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"kalla"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
)

// The inputs of the tools. In a conversation what is left out is what the
// conversation is about: its sources, its draft, its examples, its run.
type (
	// NoInput is that of a tool that needs to be told nothing.
	NoInput struct{}
	// PreviewInput looks at a source.
	PreviewInput struct {
		Source string `json:"source" jsonschema:"alias of a registered source"`
		Limit  int    `json:"limit,omitempty" jsonschema:"rows to show, at most 50; default 10"`
	}
	// ScopeInput says which records of a source count.
	ScopeInput struct {
		Side       kalla.Side   `json:"side,omitempty" jsonschema:"which side of the reconciliation the source is"`
		Source     string       `json:"source" jsonschema:"alias of a registered source"`
		Conditions []job.Filter `json:"conditions,omitempty" jsonschema:"all of which a record must meet; none: all records count"`
		Limit      int          `json:"limit,omitempty" jsonschema:"rows to show, at most 50; default 10"`
	}
	// ProfileInput describes the values of all columns.
	ProfileInput struct {
		Source     string       `json:"source" jsonschema:"alias of a registered source"`
		Conditions []job.Filter `json:"conditions,omitempty"`
	}
	// PairInput names two sources and what is known of them.
	PairInput struct {
		Left     *Scope        `json:"left,omitempty" jsonschema:"the source whose records are to be answered, such as invoices"`
		Right    *Scope        `json:"right,omitempty" jsonschema:"the source that answers them, such as payments"`
		Examples []job.Example `json:"examples,omitempty" jsonschema:"pairs of records of which it is known whether they belong together"`
	}
	// ProposeInput asks for pairs of records to show.
	ProposeInput struct {
		PairInput
		Count int `json:"count,omitempty" jsonschema:"pairs of each kind, at most 5; default 2"`
	}
	// RulesInput asks for rules.
	RulesInput struct {
		PairInput
		Without []string `json:"without,omitempty" jsonschema:"ids of rules that the draft shall do without"`
		Choose  []string `json:"choose,omitempty" jsonschema:"ids of alternatives that it shall take"`
	}
	// BuildInput asks for a recipe.
	BuildInput struct {
		RulesInput
		RecipeID string `json:"recipe_id,omitempty" jsonschema:"of the recipe: small letters, digits and dashes; made from the sources where it is missing"`
		Name     string `json:"name,omitempty" jsonschema:"for people"`
		Amount   string `json:"amount_tolerance,omitempty" jsonschema:"by how much amounts may differ: 0.05 or 1%"`
		Days     *int   `json:"days_tolerance,omitempty" jsonschema:"by how many days dates may differ"`
	}
	// DocumentInput is a recipe.
	DocumentInput struct {
		Document string `json:"document,omitempty" jsonschema:"the recipe as YAML"`
	}
	// SampleInput asks for a back-test.
	SampleInput struct {
		DocumentInput
		Examples []job.Example `json:"examples,omitempty" jsonschema:"pairs of records of which it is known whether they belong together"`
	}
	// SaveInput saves a recipe.
	SaveInput struct {
		DocumentInput
		Message string `json:"message,omitempty" jsonschema:"why it was changed, for the history"`
	}
	// RunInput starts a run.
	RunInput struct {
		RecipeID string `json:"recipe_id,omitempty" jsonschema:"a saved recipe"`
		Version  int    `json:"version,omitempty" jsonschema:"default the current one"`
	}
	// ExplainInput asks what became of a record.
	ExplainInput struct {
		RunID    string     `json:"run_id,omitempty" jsonschema:"a completed run"`
		RecipeID string     `json:"recipe_id,omitempty" jsonschema:"instead of run_id: the last completed run of this recipe"`
		Side     kalla.Side `json:"side"`
		Key      string     `json:"key" jsonschema:"primary key of the record; several columns are joined by |"`
	}
	// UploadInput asks for a file.
	UploadInput struct {
		Filename string     `json:"filename,omitempty" jsonschema:"name of the file that is to be sent"`
		UploadID string     `json:"upload_id,omitempty" jsonschema:"the file was sent: make a source of it"`
		Alias    string     `json:"alias,omitempty" jsonschema:"what the source is to be called"`
		Side     kalla.Side `json:"side,omitempty"`
		Title    string     `json:"title,omitempty" jsonschema:"what is asked for, for people: Upload the payments"`
	}
)

// The results of the tools.
type (
	// SourceList lists sources.
	SourceList struct {
		Sources []Source `json:"sources"`
	}
	// SourceData is what a source holds.
	SourceData struct {
		Side    kalla.Side   `json:"side,omitempty"`
		Source  string       `json:"source"`
		Filters []job.Filter `json:"conditions,omitempty"`
		Columns []job.Column `json:"columns"`
		Rows    [][]*string  `json:"rows"`
		Total   *int64       `json:"total_rows,omitempty"`
	}
	// SourceProfile describes the values of a source.
	SourceProfile struct {
		Source  string        `json:"source"`
		Columns []job.Profile `json:"columns"`
	}
	// Proposed are pairs of records that the data suggests.
	Proposed struct {
		Left  string     `json:"left"`
		Right string     `json:"right"`
		Pairs []job.Pair `json:"pairs"`
		draft *Drafted
	}
	// Drafted is a recipe and why it is what it is.
	Drafted struct {
		Left        Coverage              `json:"left"`
		Right       Coverage              `json:"right"`
		Document    string                `json:"document"`
		Rules       []Rule                `json:"rules"`
		Suggestions []job.DraftSuggestion `json:"suggestions,omitempty"`
		Lessons     []job.Lesson          `json:"lessons,omitempty"`
		Sentences   []Sentence            `json:"sentences,omitempty"`
		draft       *Draft
	}
	// Tried is what a back-test came to.
	Tried struct {
		*job.Backtest
		Left  string `json:"left"`
		Right string `json:"right"`
		base  *Stored
	}
	// Started is a run that was started.
	Started struct {
		RunID    string `json:"run_id"`
		RecipeID string `json:"recipe_id"`
	}
	// Explained is what became of a record.
	Explained struct {
		RunID string `json:"run_id"`
		*records.Record
	}
)

const (
	shownRows = 10
	mostRows  = 50
)

// Tools are the tools on services, in the order in which a reconciliation needs them.
func Tools(s Services) []Tool {
	return []Tool{
		tool(ToolListSources, "List the sources", "Lists the registered sources: their aliases, columns and numbers of rows. Call it before naming a source.", false,
			func(ctx context.Context, _ NoInput) (*SourceList, error) {
				found, err := s.Sources(ctx)
				if found == nil {
					found = []Source{}
				}
				return &SourceList{found}, err
			}),
		tool(ToolPreview, "Look at a source", "Shows columns, types, the number of rows and the first rows of a source.", false,
			func(ctx context.Context, in PreviewInput) (*SourceData, error) {
				return load(ctx, s, "", Scope{Source: in.Source}, in.Limit)
			}),
		tool(ToolProfile, "Profile a source", "Describes the values of every column over all rows: nulls, distinct values, least and greatest, frequent ones. It reads the whole source.", false,
			func(ctx context.Context, in ProfileInput) (*SourceProfile, error) {
				found, err := s.Preview(ctx, Scope{in.Source, in.Conditions}, 1, true)
				if err != nil {
					return nil, err
				}
				return &SourceProfile{in.Source, found.Profile}, nil
			}),
		tool(ToolLoadScoped, "Choose the records", "Says which source is a side of the reconciliation and which of its records count, and shows how many they are. "+
			"Conditions have column, op (eq, neq, gt, gte, lt, lte, between, in, like, is_null, not_null) and value.", false,
			func(ctx context.Context, in ScopeInput) (*SourceData, error) {
				return load(ctx, s, in.Side, Scope{in.Source, in.Conditions}, in.Limit)
			}),
		tool(ToolProposeMatch, "Propose pairs of records", "Finds pairs of records that seem to belong together, doubtful ones among them, for a person to confirm or reject.", false,
			func(ctx context.Context, in ProposeInput) (*Proposed, error) { return propose(ctx, s, in) }),
		tool(ToolInferRules, "Infer the rules", "Drafts matching rules from all the data of two sources and from confirmed and rejected pairs: each with what supports and what contradicts it.", false,
			func(ctx context.Context, in RulesInput) (*Drafted, error) {
				return build(ctx, s, BuildInput{RulesInput: in})
			}),
		tool(ToolBuildRecipe, "Build the recipe", "Makes a recipe of the inferred rules, with tolerances that a person named in place of the inferred ones.", false,
			func(ctx context.Context, in BuildInput) (*Drafted, error) { return build(ctx, s, in) }),
		tool(ToolValidateRecipe, "Check the recipe", "Finds everything that is wrong with a recipe (YAML), against the sources' real columns, and says in sentences what it does.", false,
			func(ctx context.Context, in DocumentInput) (*Checked, error) {
				if err := needed("document", in.Document); err != nil {
					return nil, err
				}
				return s.Check(ctx, in.Document)
			}),
		tool(ToolRunSample, "Back-test the recipe", "Runs a recipe on the real data without leaving anything: match rate, sums, what is ambiguous, what disagrees with confirmed and rejected pairs, "+
			"and what changes against the saved version of it.", false,
			func(ctx context.Context, in SampleInput) (*Tried, error) { return try(ctx, s, in) }),
		tool(ToolSaveRecipe, "Save the recipe", "Saves a recipe as a new version.", true,
			func(ctx context.Context, in SaveInput) (*Saved, error) {
				if err := needed("document", in.Document); err != nil {
					return nil, err
				}
				return s.SaveRecipe(ctx, in.Document, in.Message, nil)
			}),
		tool(ToolRunFull, "Run the recipe", "Starts a run of a saved recipe, with evidence.", true,
			func(ctx context.Context, in RunInput) (*Started, error) {
				if err := needed("recipe_id", in.RecipeID); err != nil {
					return nil, err
				}
				id, err := s.StartRun(ctx, Saved(in), "")
				return &Started{id, in.RecipeID}, err
			}),
		tool(ToolExplainRecord, "Explain a record", "Says what became of one record in a completed run: what it was matched to, or why not and what came closest.", false,
			func(ctx context.Context, in ExplainInput) (*Explained, error) { return explain(ctx, s, in) }),
		tool(ToolRequestUpload, "Ask for a file", "Asks for a file. Outside of a conversation: with filename it answers where to PUT the file; with the upload_id of that answer it makes a source of what was sent.", true,
			func(ctx context.Context, in UploadInput) (any, error) {
				if in.UploadID != "" {
					return s.KeepUpload(ctx, in.UploadID, in.Alias)
				}
				return s.PlaceUpload(ctx, cmp.Or(in.Filename, "upload"))
			}),
	}
}

func needed(name, value string) error {
	if value != "" {
		return nil
	}
	return &kalla.Error{Code: kalla.CodeUsage, Op: "reading the input", Where: name, Why: "it is missing", Hint: "give " + name}
}

func load(ctx context.Context, s Services, side kalla.Side, scope Scope, limit int) (*SourceData, error) {
	if limit <= 0 {
		limit = shownRows
	}
	found, err := s.Preview(ctx, scope, min(limit, mostRows), false)
	if err != nil {
		return nil, err
	}
	return &SourceData{Side: side, Source: scope.Source, Filters: scope.Filters, Columns: found.Columns, Rows: found.Rows, Total: found.TotalRows}, nil
}

func (in PairInput) both() (left, right Scope, err error) {
	if in.Left == nil || in.Right == nil {
		return left, right, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the input", Where: "left, right", Why: "both sources are needed", Hint: "name their aliases"}
	}
	return *in.Left, *in.Right, nil
}

// propose drafts a recipe and shows what it does to some records.
func propose(ctx context.Context, s Services, in ProposeInput) (*Proposed, error) {
	drafted, err := build(ctx, s, BuildInput{RulesInput: RulesInput{PairInput: in.PairInput}})
	if err != nil {
		return nil, err
	}
	count := 2
	if in.Count > 0 {
		count = min(in.Count, 5)
	}
	found, err := s.Backtest(ctx, BacktestInput{Document: drafted.Document, Samples: count})
	if err != nil {
		return nil, err
	}
	known := func(p job.Pair) bool {
		return slices.ContainsFunc(in.Examples, func(e job.Example) bool { return equal(e.Left, p.Left.Key) && equal(e.Right, p.Right.Key) })
	}
	return &Proposed{Left: in.Left.Source, Right: in.Right.Source, Pairs: slices.DeleteFunc(found.Pairs, known), draft: drafted}, nil
}

// build drafts a recipe, with tolerances that were named.
func build(ctx context.Context, s Services, in BuildInput) (*Drafted, error) {
	out, err := infer(ctx, s, in)
	if err != nil {
		return nil, err
	}
	return out, out.tolerate(ctx, s, in.Examples, Edit{in.Amount, in.Days}, Edit{})
}

// infer drafts a recipe as the data suggests it.
func infer(ctx context.Context, s Services, in BuildInput) (*Drafted, error) {
	left, right, err := in.both()
	if err != nil {
		return nil, err
	}
	found, err := s.Draft(ctx, DraftInput{Left: left, Right: right, RecipeID: in.RecipeID, Name: in.Name,
		Guidance: job.Guidance{Examples: in.Examples, Without: in.Without, Choose: in.Choose}})
	if err != nil {
		return nil, err
	}
	out := &Drafted{
		Left: Coverage{left.Source, found.Left.Total, found.Left.Matched}, Right: Coverage{right.Source, found.Right.Total, found.Right.Matched},
		Suggestions: found.Suggestions, Lessons: found.Lessons,
	}
	for _, e := range found.Evidence {
		r := Rule{ID: e.ID, Path: e.Path, What: e.What, Support: e.Support, Agree: e.Agree, Of: e.Of, CounterExamples: e.CounterExamples}
		for _, a := range e.Alternatives {
			r.Alternatives = append(r.Alternatives, Option{a.ID, a.What, a.Support})
		}
		out.Rules = append(out.Rules, r)
	}
	return out, out.write(found.Document)
}

// write makes a document the one of the draft, with the rules as they are.
func (d *Drafted) write(document string) (err error) {
	d.Document = document
	if d.draft, err = draftOf(document, d.Rules); err != nil {
		return err
	}
	d.Sentences, err = sentences(document)
	return err
}

func try(ctx context.Context, s Services, in SampleInput) (*Tried, error) {
	if err := needed("document", in.Document); err != nil {
		return nil, err
	}
	r, err := parse(in.Document)
	if err != nil {
		return nil, err
	}
	base, err := s.Recipe(ctx, r.ID, 0)
	if err != nil {
		return nil, err
	}
	ask := BacktestInput{Document: in.Document, Examples: in.Examples}
	if base != nil && base.Document != in.Document {
		ask.Base = &base.Saved
	} else {
		base = nil
	}
	found, err := s.Backtest(ctx, ask)
	if err != nil {
		return nil, err
	}
	return &Tried{Backtest: found, Left: r.Sources.Left.Source, Right: r.Sources.Right.Source, base: base}, nil
}

func explain(ctx context.Context, s Services, in ExplainInput) (*Explained, error) {
	if in.RunID == "" && in.RecipeID != "" {
		var err error
		if in.RunID, err = s.LastRun(ctx, in.RecipeID); err != nil {
			return nil, err
		}
	}
	if in.RunID == "" {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "explaining the record", Where: in.Key, Why: "there is no completed run to look at", Hint: "run the recipe first, or name a run_id"}
	}
	found, err := s.Record(ctx, in.RunID, in.Side, in.Key)
	if err != nil {
		return nil, err
	}
	return &Explained{in.RunID, found}, nil
}

// tool makes a tool of a function. Its schema is that of the input type.
func tool[In, Out any](name, title, description string, writes bool, call func(context.Context, In) (Out, error)) Tool {
	schema, err := jsonschema.For[In](&jsonschema.ForOptions{TypeSchemas: schemas})
	if err != nil {
		panic(err) // the types are those above
	}
	checked, err := schema.Resolve(nil)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(schema)
	if err != nil {
		panic(err)
	}
	return Tool{Name: name, Title: title, Description: description, Schema: text, Writes: writes,
		Call: func(ctx context.Context, input json.RawMessage) (any, error) {
			var in In
			if err := decode(checked, name, input, &in); err != nil {
				return nil, err
			}
			out, err := call(ctx, in)
			if err != nil {
				return nil, err
			}
			return out, nil
		}}
}

// schemas are those of types whose Go type does not say what they hold.
var schemas = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[kalla.Side]():      {Type: "string", Enum: []any{"left", "right"}},
	reflect.TypeFor[json.RawMessage](): {Description: "a text, number or boolean; a list of two of them for between, of any number for in; nothing for is_null and not_null"},
}

// decode reads an input that may be anything, and says what is wrong with it so that it can be mended.
func decode(schema *jsonschema.Resolved, name string, input json.RawMessage, into any) error {
	if len(bytes.TrimSpace(input)) == 0 {
		input = json.RawMessage("{}")
	}
	fail := func(err error) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "reading the input of " + name, Why: strings.TrimSpace(err.Error()), Hint: "mend the input, and call the tool again", Err: err}
	}
	var v any
	if err := json.Unmarshal(input, &v); err != nil {
		return fail(err)
	}
	if err := schema.Validate(v); err != nil {
		return fail(err)
	}
	if err := json.Unmarshal(input, into); err != nil {
		return fail(err)
	}
	return nil
}

// count writes a number with thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
