package server_test

import (
	"net/http"
	"testing"

	"kalla/internal/server"
)

func TestDemoIsOfferedToAnAppThatHoldsNothing(t *testing.T) {
	noLeaks(t)
	s := newSite(t, options{scheduler: scheduler(t).URL(), demo: t.TempDir()})
	if !want[server.Overview](t, s.call(http.MethodGet, "/api/overview", nil), http.StatusOK).Demo {
		t.Error("an app that holds nothing does not offer it")
	}
	started := want[server.RunStarted](t, s.call(http.MethodPost, "/api/demo", nil), http.StatusOK)
	run := s.until(started.RunID, server.RunCompleted)
	if run.MatchedCount == 0 || run.UnmatchedLeftCount == 0 || run.RecipeID != "invoices-payments" {
		t.Errorf("%+v", run.RunItem)
	}
	over := want[server.Overview](t, s.call(http.MethodGet, "/api/overview", nil), http.StatusOK)
	if over.Demo {
		t.Error("it is offered where there is something")
	}
	open := server.OpenRecords{Left: run.UnmatchedLeftCount, Right: run.UnmatchedRightCount}
	if over.Open != open || len(over.Waiting) != 1 || over.Waiting[0].RunID != run.RunID {
		t.Errorf("records wait: %+v in %+v", over.Open, over.Waiting)
	}
	if again := s.call(http.MethodPost, "/api/demo", nil); again.status != http.StatusConflict {
		t.Errorf("a second time: %d %s", again.status, again.body)
	}
}

func TestDemoIsNotOfferedWhereTheSchedulerCannotReadIt(t *testing.T) {
	s := newSite(t, options{})
	if want[server.Overview](t, s.call(http.MethodGet, "/api/overview", nil), http.StatusOK).Demo {
		t.Error("it is offered")
	}
	if got := s.call(http.MethodPost, "/api/demo", nil); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}
