package agent

import (
	"kalla"
	"kalla/internal/job"
)

// CardKind says what a card shows, and which of its fields is set.
type CardKind string

// The kinds of cards.
const (
	CardMatchProposal CardKind = "match_proposal" // do these two records belong together?
	CardUploadRequest CardKind = "upload_request" // a file is needed
	CardSampleTable   CardKind = "sample_table"   // what a source holds
	CardRuleSummary   CardKind = "rule_summary"   // the drafted rules, each to keep or to drop
	CardRecipeDiff    CardKind = "recipe_diff"    // the recipe, and what changes by it
	CardBacktest      CardKind = "backtest"       // what the recipe does to the real data
	CardConfirm       CardKind = "confirm"        // something that only a person may set off
	CardProgress      CardKind = "progress"       // a run that is under way
	CardResult        CardKind = "result"         // what a run came to
	CardChoice        CardKind = "choice"         // answers to click instead of typing them
)

// Action is what a person does to a card.
type Action string

// The actions, by the kind of card that takes them.
const (
	ActAccept Action = "accept" // match_proposal: they belong together
	ActReject Action = "reject" // match_proposal: they do not
	ActSkip   Action = "skip"   // match_proposal, upload_request: leave it open

	ActUploaded Action = "uploaded" // upload_request: Upload names the confirmed upload, which becomes a source

	ActKeep    Action = "keep"    // rule_summary: the rules in Rules stay dropped, all others are kept
	ActDrop    Action = "drop"    // rule_summary: draft again without the rules in Rules
	ActRestore Action = "restore" // rule_summary: draft again with the rules in Rules, which were dropped

	ActChoose Action = "choose" // choice: Option is the id of the option; rule_summary: of an alternative of a rule

	ActApprove Action = "approve" // confirm: do it
	ActDecline Action = "decline" // confirm: leave it
)

// Click is what a person did to a card.
type Click struct {
	Card   string   `json:"card_id" minLength:"1" maxLength:"100"`
	Action Action   `json:"action" enum:"accept,reject,skip,uploaded,keep,drop,restore,choose,approve,decline"`
	Option string   `json:"option,omitempty" maxLength:"1000" doc:"Of a choice: the id of the option"`
	Rules  []string `json:"rules,omitempty" maxItems:"200" doc:"Of a rule summary: the ids of the rules to drop, or to take back"`
	Upload string   `json:"upload_id,omitempty" maxLength:"100" doc:"Of an upload request: the confirmed upload"`
	Alias  string   `json:"alias,omitempty" maxLength:"63" doc:"Of an upload request: what the source is to be called; made from the name of the file where it is missing"`
}

// Card is a piece of a message that people look at and click on. Of the fields
// behind Answer exactly the one is set that Kind names. A card takes one click; those that a
// later one has made pointless are closed.
type Card struct {
	ID     string   `json:"id" doc:"Unique in the conversation"`
	Kind   CardKind `json:"kind" enum:"match_proposal,upload_request,sample_table,rule_summary,recipe_diff,backtest,confirm,progress,result,choice"`
	Open   bool     `json:"open" doc:"Whether it takes a click"`
	Answer *Click   `json:"answer,omitempty" doc:"The click that it took"`

	MatchProposal *MatchProposal `json:"match_proposal,omitempty"`
	UploadRequest *UploadRequest `json:"upload_request,omitempty"`
	SampleTable   *SampleTable   `json:"sample_table,omitempty"`
	RuleSummary   *RuleSummary   `json:"rule_summary,omitempty"`
	RecipeDiff    *RecipeDiff    `json:"recipe_diff,omitempty"`
	Backtest      *Backtest      `json:"backtest,omitempty"`
	Confirm       *Confirm       `json:"confirm,omitempty"`
	Progress      *Progress      `json:"progress,omitempty"`
	Result        *Result        `json:"result,omitempty"`
	Choice        *Choice        `json:"choice,omitempty"`
}

// MatchProposal asks whether two records belong together.
type MatchProposal struct {
	Why   string     `json:"why" doc:"Why it is asked: pass, ambiguous, or near (the closest pair that is no match)" enum:"pass,ambiguous,near"`
	Pass  string     `json:"pass,omitempty" doc:"Name of the pass that matches them"`
	Left  job.Record `json:"left"`
	Right job.Record `json:"right"`
	// Fields are the columns that belong together, side by side: those of the
	// rules first. Columns of one side only are in its record.
	Fields []FieldPair `json:"fields"`
}

// FieldPair is a column of each side with the values of the two records.
type FieldPair struct {
	Left       string  `json:"left" doc:"Column"`
	Right      string  `json:"right" doc:"Column"`
	LeftValue  *string `json:"left_value" doc:"null for NULL"`
	RightValue *string `json:"right_value" doc:"null for NULL"`
	Same       bool    `json:"same" doc:"Whether the values are written alike"`
	Difference string  `json:"difference,omitempty" doc:"Right − left where both are numbers (as they are written) or dates (3 days)"`
}

// UploadRequest asks for a file.
type UploadRequest struct {
	Side  kalla.Side `json:"side,omitempty" enum:"left,right" doc:"What it is for, where that is known"`
	Title string     `json:"title" doc:"Upload the payments"`
	Hint  string     `json:"hint" doc:"What it should hold"`
}

// SampleTable shows the first rows of a source that pass the filters.
type SampleTable struct {
	Side    kalla.Side   `json:"side,omitempty" enum:"left,right"`
	Source  string       `json:"source" doc:"Alias"`
	Filters []job.Filter `json:"filters,omitempty"`
	Words   []string     `json:"words,omitempty" doc:"The filters in words"`
	Columns []job.Column `json:"columns"`
	Rows    [][]*string  `json:"rows" doc:"Values as text, null for NULL"`
	Total   *int64       `json:"total_rows,omitempty" doc:"All rows that pass"`
}

// Rule is one part of a drafted recipe.
type Rule struct {
	ID      string `json:"id" doc:"The same in every draft of the same sources"`
	Path    string `json:"path" doc:"The field of the recipe: match[0].when[1]"`
	What    string `json:"what" doc:"In words"`
	Support string `json:"support" doc:"What speaks for it: 98.2% of 9,310 pairs agree; empty where that was not measured"`
	// Agree of Of records or pairs speak for it; Of is 0 where there is nothing to count.
	Agree           int64    `json:"agree"`
	Of              int64    `json:"of"`
	CounterExamples []string `json:"counter_examples,omitempty" doc:"What speaks against it"`
	Alternatives    []Option `json:"alternatives,omitempty" doc:"What could stand in its place"`
	Set             bool     `json:"set,omitempty" doc:"A person set its tolerance"`
	Dropped         bool     `json:"dropped,omitempty" doc:"A person dropped it; it is not in the recipe"`
}

// RuleSummary lists the rules of the draft.
type RuleSummary struct {
	Rules   []Rule       `json:"rules"`
	Lessons []job.Lesson `json:"lessons,omitempty" doc:"What the confirmed and rejected pairs changed"`
	Left    Coverage     `json:"left"`
	Right   Coverage     `json:"right"`
}

// Coverage is how many records of a side match.
type Coverage struct {
	Alias   string `json:"alias"`
	Total   int64  `json:"total"`
	Matched int64  `json:"matched"`
}

// RecipeDiff shows a recipe, and against the saved version of it what changes.
type RecipeDiff struct {
	RecipeID  string     `json:"recipe_id"`
	Name      string     `json:"name"`
	From      int        `json:"from,omitempty" doc:"The saved version that it changes; 0 for a new recipe"`
	Sentences []Sentence `json:"sentences" doc:"The recipe in words"`
	Changes   []string   `json:"changes,omitempty" doc:"What changes, in words"`
	Before    string     `json:"before,omitempty" doc:"YAML of the saved version"`
	After     string     `json:"after" doc:"YAML of the recipe"`
}

// Sentence is a part of a recipe in words.
type Sentence struct {
	Path string `json:"path" doc:"The field that it explains"`
	Text string `json:"text"`
}

// Backtest is what a recipe does to the records as they are now, and what is
// different from the saved version.
type Backtest struct {
	RecipeID  string         `json:"recipe_id"`
	Summary   kalla.Summary  `json:"summary"`
	Base      *kalla.Summary `json:"base,omitempty" doc:"Of the saved version over the same records"`
	BaseLabel string         `json:"base_label,omitempty" doc:"version 3"`
	// Changes counts records by what becomes of them against the saved version:
	// newly_matched, newly_ambiguous, came_apart, matched_to_other, reason_changed.
	Changes       map[kalla.Side]map[string]int64 `json:"changes,omitempty"`
	Disagreements []job.Disagreement              `json:"disagreements" doc:"Pairs of which a person said otherwise"`
	Examples      int                             `json:"examples" doc:"Pairs of which a person has said whether they belong together"`
}

// Confirm asks for what only a person may set off. The tool runs as the person
// who clicks, with what stands here and nothing else.
type Confirm struct {
	Tool    string   `json:"tool" doc:"save_recipe, run_full"`
	Title   string   `json:"title" doc:"Save the recipe"`
	Details []string `json:"details" doc:"What will be done, in words"`
	Approve string   `json:"approve" doc:"Label of the button"`
	Run     bool     `json:"run,omitempty" doc:"Of save_recipe: the recipe is run when it is saved"`
	Digest  string   `json:"digest" doc:"Of what is approved: nothing is done if that has changed"`
}

// Progress names a run to follow: GET /api/runs/{run_id}/events.
type Progress struct {
	RunID    string `json:"run_id"`
	RecipeID string `json:"recipe_id"`
}

// Result is what a run came to.
type Result struct {
	RunID    string         `json:"run_id"`
	RecipeID string         `json:"recipe_id"`
	Status   string         `json:"status" enum:"completed,failed,cancelled"`
	Summary  *kalla.Summary `json:"summary,omitempty"`
	Error    string         `json:"error,omitempty"`
	Hint     string         `json:"hint,omitempty"`
}

// Choice offers answers.
type Choice struct {
	Question string   `json:"question,omitempty"`
	Options  []Option `json:"options"`
}

// Option is one answer.
type Option struct {
	ID     string `json:"id"`
	Label  string `json:"label"`
	Detail string `json:"detail,omitempty"`
}
