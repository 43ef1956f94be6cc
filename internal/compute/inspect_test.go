package compute_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"kalla"
	"kalla/internal/compute"
	"kalla/internal/job"
)

const tried = `{"kalla":1,"recipe_id":"tried","sources":{"left":{"alias":"bills","uri":"/data/bills.csv","primary_key":["id"]},
"right":{"alias":"payments","uri":"postgres://user:s3cr3t-pass@db/books?table=payments","primary_key":["id"]}},
"match":[{"name":"by id","cardinality":"one_to_one","when":[{"left":"id","right":"id"}]}]}`

// TestTrial: a trial is a run without evidence that is no job; two go on at
// once, and one that nobody waits for any more ends.
func TestTrial(t *testing.T) {
	release := make(chan struct{})
	started := make(chan compute.Work, 10)
	r := &runner{}
	r.run = func(ctx context.Context, w compute.Work) (*kalla.Summary, error) {
		started <- w
		return blocking(release)(ctx, w)
	}
	s := open(t, compute.Config{Runner: r})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	trial := func(ctx context.Context, check func(*kalla.Summary, error)) {
		wg.Go(func() { check(s.Trial(ctx, job.TrialRequest{Recipe: json.RawMessage(tried)})) })
	}
	trial(ctx, func(_ *kalla.Summary, err error) {
		if kalla.CodeOf(err) != kalla.CodeCanceled {
			t.Errorf("cancelled: %v", err)
		}
	})
	good := func(sum *kalla.Summary, err error) {
		if err != nil || sum.Pairs != 3 {
			t.Errorf("%+v, %v", sum, err)
		}
	}
	trial(t.Context(), good)
	for range 2 {
		if w := <-started; w.Evidence != "none" || w.Out != "" || w.Recipe.ID != "tried" || w.Check == nil {
			t.Errorf("%+v", w)
		}
	}
	trial(t.Context(), good)
	if page, err := s.List(t.Context(), "", 10, ""); err != nil || len(page.Jobs) != 0 {
		t.Errorf("a trial is a job: %+v, %v", page, err)
	}
	select {
	case <-started:
		t.Error("three trials run at once")
	default:
	}
	cancel()
	<-started // the third has its turn
	close(release)
	wg.Wait()
}

// TestTrialFaults: all that is wrong with what is to be tried or drafted, and nothing of a password.
func TestTrialFaults(t *testing.T) {
	r := &runner{run: func(context.Context, compute.Work) (*kalla.Summary, error) {
		return nil, &kalla.Error{Code: kalla.CodeSource, Op: "staging", Why: "cannot log in with s3cr3t-pass"}
	}}
	s := open(t, compute.Config{Runner: r, Policy: anything{forbidden: "secret"}})
	paths := func(err error) (out []string) {
		t.Helper()
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v", err)
		}
		faults, _ := errors.AsType[kalla.Faults](err)
		for _, f := range faults {
			out = append(out, f.Path)
		}
		return out
	}
	trial := func(recipe string) []string {
		_, err := s.Trial(t.Context(), job.TrialRequest{Recipe: json.RawMessage(recipe)})
		return paths(err)
	}
	if got := trial(strings.Replace(tried, "/data/bills", "/secret/bills", 1)); !slices.Equal(got, []string{"recipe.sources.left.uri"}) {
		t.Errorf("%v", got)
	}
	if got := trial(`{"kalla":1}`); !slices.Contains(got, "recipe.recipe_id") || !slices.Contains(got, "recipe.sources") {
		t.Errorf("%v", got)
	}
	if got := trial(tried); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if len(r.runs) != 1 {
		t.Errorf("%d ran", len(r.runs))
	}
	_, err := s.Draft(t.Context(), job.DraftRequest{
		Left:  job.DraftSource{URI: "/secret/bills.csv", Filters: []job.Filter{{Column: "a", Op: "about"}}},
		Right: job.DraftSource{URI: "payments.csv"},
	})
	if got := paths(err); !slices.Equal(got, []string{"left.uri", "left.filters[0].op", "right.uri"}) {
		t.Errorf("%v", got)
	}
}
