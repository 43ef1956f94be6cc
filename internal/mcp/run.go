package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"kalla"
	"kalla/internal/agent"
)

const (
	askAgain = 250 * time.Millisecond
	// followed is for how long a call waits for a run: clients give up after a
	// minute, most of them. Later get_run says how it is going.
	followed = 45 * time.Second
)

// canceler is what services may be that can end a run.
type canceler interface {
	CancelRun(ctx context.Context, runID string) error
}

// follow waits for the end of a run, tells the client how it is going, and
// returns how it is at last. A client that cancels its call cancels the run, where that can be done.
func (s *Server) follow(ctx context.Context, runID string, req *sdk.CallToolRequest) (*agent.Run, error) {
	token := req.Params.GetProgressToken()
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	told, end := -1.0, time.Now().Add(followed)
	for {
		run, err := s.cfg.Services.Run(ctx, runID)
		if ctx.Err() != nil {
			return nil, s.cancel(ctx, runID)
		}
		if err != nil || run.Final || time.Now().After(end) {
			return run, err
		}
		if token != nil && run.Progress > told {
			told = run.Progress
			message := run.Status
			if run.Stage != "" && run.Stage != run.Status {
				message = fmt.Sprintf("%s: %s", run.Status, run.Stage)
			}
			// A client that does not hear it asks for nothing more, and goes on to the end.
			_ = req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: token, Progress: run.Progress, Total: 1, Message: message})
		}
		select {
		case <-ctx.Done():
			return nil, s.cancel(ctx, runID)
		case <-tick.C:
		}
	}
}

func (s *Server) cancel(ctx context.Context, runID string) error {
	err := error(&kalla.Error{Code: kalla.CodeCanceled, Op: "following the run", Where: runID, Why: "cancelled", Err: ctx.Err()})
	if c, ok := s.cfg.Services.(canceler); ok {
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		err = errors.Join(err, c.CancelRun(last, runID))
	}
	return err
}

func (s *Server) getRun() agent.Tool {
	return agent.Tool{
		Name: GetRun, Title: "Look at a run", Description: "Says how a run is going that run_full has started, and what came of it: match rate, counts and sums.",
		Schema: json.RawMessage(`{"type":"object","properties":{"run_id":{"type":"string"}},"required":["run_id"],"additionalProperties":false}`),
		Call: func(ctx context.Context, input json.RawMessage) (any, error) {
			var in struct {
				RunID string `json:"run_id"`
			}
			if err := json.Unmarshal(input, &in); err != nil || in.RunID == "" {
				return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "reading the input of " + GetRun, Where: "run_id", Why: "it is missing", Hint: "give the run_id that run_full answered"}
			}
			return s.cfg.Services.Run(ctx, in.RunID)
		},
	}
}
