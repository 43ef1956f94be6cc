package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"kalla"
	"kalla/internal/evidence/records"
	"kalla/internal/job"
	"kalla/internal/problem"
	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func (s *Server) registerRecords(api huma.API) {
	get := func(path, id, summary string) huma.Operation {
		return operation("records", http.MethodGet, "/api/runs/{run_id}/"+path, id, summary, auth.Read)
	}
	huma.Register(api, get("records", "list-records", "A page of the records of a run"), s.listRecords)
	huma.Register(api, get("records/{side}/{key}", "get-record", "One record and what became of it"), s.getRecord)
	huma.Register(api, get("compare/{other_id}", "compare-runs", "What changed from this run to another of the same recipe"), s.compareRuns)
	huma.Register(api, get("compare/{other_id}/records", "list-changes", "The records that changed from this run to another"), s.listChanges)

	huma.Register(api, get("charts/waterfall", "chart-waterfall", "What each pass contributed"), func(ctx context.Context, in *RunPath) (*body[[]records.PassFigures], error) {
		return chart(ctx, s, in.RunID, (*records.Run).Waterfall)
	})
	huma.Register(api, get("charts/reasons", "chart-reasons", "Unmatched records by reason"), func(ctx context.Context, in *SideInput) (*body[[]records.ReasonFigures], error) {
		return chart(ctx, s, in.RunID, func(r *records.Run, ctx context.Context) ([]records.ReasonFigures, error) {
			return r.Reasons(ctx, in.Side)
		})
	})
	huma.Register(api, get("charts/differences", "chart-differences", "Differences by size"), func(ctx context.Context, in *differencesInput) (*body[[]records.Bucket], error) {
		return chart(ctx, s, in.RunID, func(r *records.Run, ctx context.Context) ([]records.Bucket, error) {
			return r.Differences(ctx, in.Table)
		})
	})
	huma.Register(api, get("charts/ageing", "chart-ageing", "Unmatched records by age"), func(ctx context.Context, in *ageingInput) (*body[[]records.Bucket], error) {
		return chart(ctx, s, in.RunID, func(r *records.Run, ctx context.Context) ([]records.Bucket, error) {
			return r.Ageing(ctx, in.Side, in.Column)
		})
	})
	huma.Register(api, get("charts/currencies", "chart-currencies", "Amounts by currency"), func(ctx context.Context, in *SideInput) (*body[[]records.CurrencyFigures], error) {
		return chart(ctx, s, in.RunID, func(r *records.Run, ctx context.Context) ([]records.CurrencyFigures, error) {
			return r.Currencies(ctx, in.Side)
		})
	})
}

// SideInput names a side of a run.
type SideInput struct {
	RunPath
	Side kalla.Side `query:"side" enum:"left,right" default:"left"`
}

type differencesInput struct {
	RunPath
	Table records.Table `query:"table" enum:"matched,unmatched_left,unmatched_right" default:"matched"`
}

type ageingInput struct {
	SideInput
	Column string `query:"column" maxLength:"300" doc:"A date of the side; by default the one that the recipe compares"`
}

func chart[T any](ctx context.Context, s *Server, runID string, figures func(*records.Run, context.Context) (T, error)) (*body[T], error) {
	run, err := s.evidence(ctx, runID)
	if err != nil {
		return nil, err
	}
	out, err := figures(run, ctx)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return &body[T]{out}, nil
}

// completed finds a run that has evidence. The error is a problem.
func (s *Server) completed(ctx context.Context, runID string) (*state.Run, error) {
	run, err := s.store.Run(ctx, runID)
	switch {
	case err != nil:
		return nil, s.problem(ctx, err)
	case run.State != state.Completed:
		hint := "wait until it is completed: GET /api/runs/" + runID + "/events tells"
		if run.State.Final() {
			hint = "run it again"
		}
		return nil, problem.New(http.StatusConflict, "reading records: "+runID+": the run is "+string(run.State)+" and has no evidence", hint)
	}
	return run, nil
}

// evidence opens the evidence of a completed run. The error is a problem.
func (s *Server) evidence(ctx context.Context, runID string) (*records.Run, error) {
	run, err := s.completed(ctx, runID)
	if err != nil {
		return nil, err
	}
	open, err := s.cfg.Records.Run(ctx, s.openable(run.Output))
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return open, nil
}

// recordsProblem is the answer to an error of reading evidence. Evidence that
// is gone or damaged is not there, whosever doing that is.
func (s *Server) recordsProblem(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, records.ErrNotFound):
		return problem.Of(http.StatusNotFound, err, "")
	case kalla.CodeOf(err) == kalla.CodeEvidence && ctx.Err() == nil:
		s.logOf(ctx).Warn("evidence cannot be read", "error", err)
		return problem.Of(http.StatusNotFound, err, "")
	}
	return s.problem(ctx, err)
}

// RecordsQuery is a records.Query in the query of a URL.
type RecordsQuery struct {
	Q       string   `query:"q" maxLength:"1000" doc:"Text to look for"`
	Filter  string   `query:"filter" maxLength:"100000" doc:"JSON array of filters, all of which must hold: [{\"column\": \"amount\", \"op\": \"gt\", \"value\": 100}]"`
	Sort    string   `query:"sort" maxLength:"4000" doc:"Columns with commas between, - before those that descend; or a JSON array of {column, desc}"`
	Columns string   `query:"columns" maxLength:"20000" doc:"Columns to answer with, with commas between; or a JSON array"`
	Reason  []string `query:"reason" doc:"One of them" maxItems:"50"`
	Pass    []string `query:"pass" doc:"Names of passes, one of them" maxItems:"100"`
	Cursor  string   `query:"cursor" maxLength:"1000" doc:"next or prev of another page"`
	From    int64    `query:"from" minimum:"0" doc:"Without a cursor: the place to begin at"`
	Limit   int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Count   bool     `query:"count" default:"true" doc:"Whether the total is wanted"`
}

// read makes a query of it. The error is a problem with all that is wrong.
func (in *RecordsQuery) read() (records.Query, error) {
	q := records.Query{Search: in.Q, Passes: in.Pass, Cursor: in.Cursor, From: in.From, Limit: in.Limit, NoCount: !in.Count}
	for _, r := range in.Reason {
		q.Reasons = append(q.Reasons, kalla.Reason(r))
	}
	var wrong []problem.Field
	var filters []job.Filter
	if in.Filter != "" {
		if err := json.Unmarshal([]byte(in.Filter), &filters); err != nil {
			wrong = append(wrong, problem.Field{Location: "query.filter", Message: "is no JSON array of filters", Hint: `write [{"column": "amount", "op": "gt", "value": 100}]`})
		}
	}
	for i, f := range filters {
		filter, faults := f.Read(fmt.Sprintf("query.filter[%d]", i))
		for _, x := range faults {
			wrong = append(wrong, problem.Field{Location: x.Path, Message: x.Problem, Hint: x.Hint})
		}
		q.Filters = append(q.Filters, filter)
	}
	if strings.HasPrefix(in.Sort, "[") {
		if err := json.Unmarshal([]byte(in.Sort), &q.Sort); err != nil {
			wrong = append(wrong, problem.Field{Location: "query.sort", Message: "is no JSON array of columns", Hint: `write [{"column": "amount", "desc": true}], or -amount`})
		}
	} else if in.Sort != "" {
		for name := range strings.SplitSeq(in.Sort, ",") {
			column, desc := strings.CutPrefix(name, "-")
			q.Sort = append(q.Sort, records.Sort{Column: column, Desc: desc})
		}
	}
	if strings.HasPrefix(in.Columns, "[") {
		if err := json.Unmarshal([]byte(in.Columns), &q.Columns); err != nil {
			wrong = append(wrong, problem.Field{Location: "query.columns", Message: "is no JSON array of names", Hint: `write ["id", "amount"], or id,amount`})
		}
	} else if in.Columns != "" {
		q.Columns = strings.Split(in.Columns, ",")
	}
	if len(wrong) > 0 {
		p := problem.New(http.StatusUnprocessableEntity, "the query cannot be read", "")
		p.Code, p.Errors = kalla.CodeUsage, wrong
		return q, p
	}
	return q, nil
}

type recordsInput struct {
	RunPath
	Table records.Table `query:"table" enum:"matched,unmatched_left,unmatched_right,breaks,candidates" doc:"Default matched"`
	Side  kalla.Side    `query:"side" enum:"left,right" doc:"Short for the unmatched records of a side"`
	RecordsQuery
}

func (s *Server) listRecords(ctx context.Context, in *recordsInput) (*body[*records.Page], error) {
	q, err := in.read()
	if err != nil {
		return nil, err
	}
	switch {
	case in.Table != "" && in.Side != "":
		return nil, invalid("query.side", "names a table, and so does table", "keep one")
	case in.Side != "":
		q.Table = records.Unmatched(in.Side)
	case in.Table != "":
		q.Table = in.Table
	default:
		q.Table = records.Matched
	}
	run, err := s.evidence(ctx, in.RunID)
	if err != nil {
		return nil, err
	}
	page, err := run.Page(ctx, q)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return &body[*records.Page]{page}, nil
}

type recordInput struct {
	RunPath
	Side kalla.Side `path:"side" enum:"left,right"`
	Key  string     `path:"key" maxLength:"4000" doc:"As the evidence writes it: columns joined by |"`
}

func (s *Server) getRecord(ctx context.Context, in *recordInput) (*body[*records.Record], error) {
	run, err := s.evidence(ctx, in.RunID)
	if err != nil {
		return nil, err
	}
	rec, err := run.Record(ctx, in.Side, in.Key)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return &body[*records.Record]{rec}, nil
}

// CompareInput names two runs.
type CompareInput struct {
	RunPath
	OtherID string `path:"other_id" minLength:"1" maxLength:"200"`
}

func (s *Server) compared(ctx context.Context, in *CompareInput) (before, after *records.Run, err error) {
	if before, err = s.evidence(ctx, in.RunID); err != nil {
		return nil, nil, err
	}
	after, err = s.evidence(ctx, in.OtherID)
	return before, after, err
}

func (s *Server) compareRuns(ctx context.Context, in *CompareInput) (*body[*records.Comparison], error) {
	before, after, err := s.compared(ctx, in)
	if err != nil {
		return nil, err
	}
	out, err := s.cfg.Records.Compare(ctx, before, after)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return &body[*records.Comparison]{out}, nil
}

type changesInput struct {
	CompareInput
	Side   kalla.Side       `query:"side" enum:"left,right" default:"left"`
	Change []records.Change `query:"change" doc:"One of newly_matched, came_apart, matched_to_other, reason_changed, new, gone" maxItems:"6"`
	RecordsQuery
}

func (s *Server) listChanges(ctx context.Context, in *changesInput) (*body[*records.Page], error) {
	q, err := in.read()
	if err != nil {
		return nil, err
	}
	before, after, err := s.compared(ctx, &in.CompareInput)
	if err != nil {
		return nil, err
	}
	page, err := s.cfg.Records.Changed(ctx, before, after, in.Side, in.Change, q)
	if err != nil {
		return nil, s.recordsProblem(ctx, err)
	}
	return &body[*records.Page]{page}, nil
}
