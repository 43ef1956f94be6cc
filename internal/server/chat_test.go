package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kalla/internal/agent"
	"kalla/internal/demo"
	"kalla/internal/server"
	"kalla/internal/server/auth"
)

// talk is a conversation as its page has it: what it knows comes from the events alone.
type talk struct {
	*site
	id       string
	token    string
	messages []agent.Said
	session  server.ChatSession
	after    int64
}

func (s *site) talk() *talk {
	s.t.Helper()
	s.call(http.MethodGet, "/api/about", nil) // signs in
	made := want[server.ChatDetail](s.t, s.call(http.MethodPost, "/api/chat/sessions", map[string]any{}), http.StatusOK)
	k := &talk{site: s, id: made.ID, token: s.token, session: made.ChatSession}
	k.wait()
	return k
}

// wait reads the events until the assistant is done.
func (k *talk) wait() {
	k.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := k.request(http.MethodGet, fmt.Sprintf("/api/chat/sessions/%s/events", k.id), nil).WithContext(ctx)
	r.Header.Set("Authorization", "Bearer "+k.token)
	r.Header.Set("Last-Event-ID", fmt.Sprint(k.after))
	resp, err := http.DefaultClient.Do(r)
	check(k.t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e server.ChatEvent
		check(k.t, json.Unmarshal([]byte(text), &e))
		if e.Seq <= k.after {
			k.t.Fatalf("event %d after %d", e.Seq, k.after)
		}
		k.after = e.Seq
		switch e.Kind {
		case "message":
			k.messages = slices.DeleteFunc(k.messages, func(m agent.Said) bool { return m.ID == e.Message.ID })
			k.messages = append(k.messages, *e.Message)
			slices.SortFunc(k.messages, func(a, b agent.Said) int { return strings.Compare(a.ID, b.ID) })
		case "removed":
			k.messages = slices.DeleteFunc(k.messages, func(m agent.Said) bool { return slices.Contains(e.Removed, m.ID) })
		case "session":
			if k.session = *e.Session; k.session.Status == agent.Idle {
				return
			}
		}
	}
	k.t.Fatal("the events ended")
}

func (k *talk) say(text string) {
	k.t.Helper()
	out := want[server.ChatStarted](k.t, k.callAs(k.token, http.MethodPost, "/api/chat", map[string]any{"session_id": k.id, "message": text}), http.StatusAccepted)
	if out.SessionID != k.id || out.MessageID == "" {
		k.t.Fatalf("%+v", out)
	}
	k.wait()
}

func (k *talk) click(card agent.Card, c agent.Click) {
	k.t.Helper()
	c.Card = card.ID
	want[server.ChatStarted](k.t, k.callAs(k.token, http.MethodPost, "/api/chat/sessions/"+k.id+"/actions", c), http.StatusAccepted)
	k.wait()
}

// choose clicks on the option whose id begins so.
func (k *talk) choose(prefix string) {
	k.t.Helper()
	for _, c := range k.open(agent.CardChoice) {
		for _, o := range c.Choice.Options {
			if strings.HasPrefix(o.ID, prefix) {
				k.click(c, agent.Click{Action: agent.ActChoose, Option: o.ID})
				return
			}
		}
	}
	k.t.Fatalf("no option %s: %s", prefix, k.said())
}

// open are the cards of a kind that take a click, or that are of the last message.
func (k *talk) open(kind agent.CardKind) (out []agent.Card) {
	for i, m := range k.messages {
		for _, c := range m.Cards {
			if c.Kind == kind && (c.Open || i == len(k.messages)-1 && c.Answer == nil) {
				out = append(out, c)
			}
		}
	}
	return out
}

// last is the only such card.
func (k *talk) last(kind agent.CardKind) agent.Card {
	k.t.Helper()
	all := k.open(kind)
	if len(all) == 0 {
		k.t.Fatalf("no %s: %s", kind, k.said())
	}
	return all[len(all)-1]
}

func (k *talk) said() string {
	var out strings.Builder
	for _, m := range k.messages {
		fmt.Fprintf(&out, "%s: %s\n", m.Role, m.Text)
		for _, c := range m.Cards {
			text, _ := json.Marshal(c)
			fmt.Fprintf(&out, "   %.300s\n", text)
		}
	}
	return out.String()
}

func (k *talk) in(p agent.Phase) {
	k.t.Helper()
	if k.session.Phase != p {
		k.t.Fatalf("in phase %s, not %s: %s", k.session.Phase, p, k.said())
	}
}

// send uploads a file as a browser does, and gives it to the request for one.
func (k *talk) send(file string, card agent.Card) {
	k.t.Helper()
	place := want[server.UploadPlace](k.t, k.callAs(k.token, http.MethodPost, "/api/uploads/presign", map[string]any{"filename": filepath.Base(file)}), http.StatusOK)
	data, err := os.ReadFile(file)
	check(k.t, err)
	r := k.request(http.MethodPut, place.PresignedURL, data)
	r.Header.Set("Content-Type", "application/octet-stream")
	resp, err := http.DefaultClient.Do(r)
	check(k.t, err)
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		k.t.Fatalf("upload: %s", resp.Status)
	}
	k.click(card, agent.Click{Action: agent.ActUploaded, Upload: place.UploadID})
}

// demoFiles writes a data set.
func demoFiles(t testing.TB, rows int64) (invoices, payments string) {
	t.Helper()
	dir := t.TempDir()
	_, err := demo.Generate(t.Context(), demo.Config{Seed: 7, Rows: rows}, dir)
	check(t, err)
	return filepath.Join(dir, demo.InvoicesFile), filepath.Join(dir, demo.PaymentsFile)
}

// TestChatWithoutModel leads from two files to a recipe that is saved and run,
// by clicks alone, on both databases.
func TestChatWithoutModel(t *testing.T) {
	for name, database := range stores {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			sched := scheduler(t)
			s := newSite(t, options{scheduler: sched.URL(), database: database(t)})
			invoices, payments := demoFiles(t, 400)
			k := s.talk()
			k.in(agent.Greeting)
			asked := k.open(agent.CardUploadRequest)
			if len(asked) != 2 {
				t.Fatalf("%d files asked for: %s", len(asked), k.said())
			}
			k.send(invoices, asked[0])
			k.in(agent.Intent)
			k.send(payments, asked[1])
			k.in(agent.Scoping)
			if n := len(k.open(agent.CardSampleTable)); n != 2 {
				t.Errorf("%d tables", n)
			}
			k.choose("scoped")
			k.in(agent.Demonstration)
			proposals := k.open(agent.CardMatchProposal)
			if len(proposals) == 0 {
				t.Fatalf("no proposals: %s", k.said())
			}
			for _, c := range proposals {
				action := agent.ActAccept
				if c.MatchProposal.Why == "near" {
					action = agent.ActSkip
				}
				k.click(c, agent.Click{Action: action})
			}
			k.in(agent.Inference)
			rules := k.last(agent.CardRuleSummary)
			if len(rules.RuleSummary.Rules) < 3 {
				t.Errorf("rules %+v", rules.RuleSummary.Rules)
			}
			k.click(rules, agent.Click{Action: agent.ActKeep})
			k.in(agent.Validation)
			test := k.last(agent.CardBacktest).Backtest
			if test.Summary.MatchRate.IsZero() || len(test.Disagreements) > 0 || test.Base != nil {
				t.Errorf("back-test %+v", test)
			}
			if diff := k.last(agent.CardRecipeDiff).RecipeDiff; diff.From != 0 || len(diff.Sentences) == 0 || !strings.Contains(diff.After, "kalla: 1") {
				t.Errorf("recipe %+v", diff)
			}
			if got := s.call(http.MethodGet, "/api/recipes", nil); string(got.body) != "[]\n" {
				t.Fatalf("saved before it was approved: %s", got.body)
			}
			for _, c := range k.open(agent.CardConfirm) {
				if c.Confirm.Run {
					k.click(c, agent.Click{Action: agent.ActApprove})
					break
				}
			}
			k.in(agent.Execution)
			if k.session.RecipeID == "" || k.session.RunID == "" {
				t.Fatalf("%+v\n%s", k.session, k.said())
			}
			run := s.until(k.session.RunID, server.RunCompleted)
			for len(k.open(agent.CardResult)) == 0 {
				k.wait()
			}
			result := k.last(agent.CardResult).Result
			if result.Status != "completed" || !result.Summary.MatchRate.Equal(*run.MatchRate) || !result.Summary.MatchRate.Equal(test.Summary.MatchRate) {
				t.Errorf("result %+v", result)
			}
			actions := s.auditActions("chat", k.id)
			if !slices.Contains(actions, "chat.begin") || !slices.Contains(actions, "chat.click") {
				t.Errorf("audit log: %v", actions)
			}
			// The conversation is the same from the store.
			detail := want[server.ChatDetail](t, s.call(http.MethodGet, "/api/chat/sessions/"+k.id, nil), http.StatusOK)
			stored, _ := json.Marshal(detail.Messages)
			told, _ := json.Marshal(k.messages)
			if string(stored) != string(told) {
				t.Errorf("the store and the events differ:\n%s\n%s", stored, told)
			}
		})
	}
}

func (s *site) auditActions(object, id string) (out []string) {
	s.t.Helper()
	entries := want[[]server.AuditEntry](s.t, s.call(http.MethodGet, "/api/audit?limit=200", nil), http.StatusOK)
	for _, e := range entries {
		if e.Type == object && (id == "" || e.ID == id) {
			out = append(out, e.Action)
		}
	}
	return out
}

// TestChatUnderstands: plain requests, in the order in which somebody could make them.
func TestChatUnderstands(t *testing.T) {
	noLeaks(t)
	sched := scheduler(t)
	s := newSite(t, options{scheduler: sched.URL()})
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	var bills, pays strings.Builder
	bills.WriteString("number,customer,issued,amount,currency,status\n")
	pays.WriteString("id,reference,paid_on,paid,currency\n")
	for i := range 300 {
		year, status := 2026, "open"
		if i%10 == 3 {
			year = 2025
		}
		if i%50 == 7 {
			status = "Cancelled"
		}
		fmt.Fprintf(&bills, "INV-%04d,customer %d,%d-%02d-%02d,%d.%02d,EUR,%s\n", i, i%40, year, i%9+1, i%28+1, 100+i*7, i%100, status)
		if status == "open" {
			fmt.Fprintf(&pays, "P%05d,INV-%04d,%d-%02d-%02d,%d.%02d,EUR\n", i, i, year, i%9+2, i%28+1, 100+i*7, i%100)
		}
	}
	for alias, file := range map[string]string{"customer_invoices": write("bills.csv", bills.String()), "bank_payments": write("pays.csv", pays.String())} {
		want[server.Done](t, s.call(http.MethodPost, "/api/sources", map[string]string{"alias": alias, "uri": file}), http.StatusOK)
		want[server.SourcePreview](t, s.call(http.MethodGet, "/api/sources/"+alias+"/preview", nil), http.StatusOK)
	}

	k := s.talk()
	k.say("please reconcile the invoices with our payments")
	k.in(agent.Scoping)
	if k.session.Left.Source != "customer_invoices" || k.session.Right.Source != "bank_payments" {
		t.Fatalf("%+v %+v", k.session.Left, k.session.Right)
	}
	k.say("ignore cancelled")
	k.in(agent.Scoping)
	if f := k.session.Left.Filters; len(f) != 1 || f[0].Column != "status" || f[0].Op != "neq" || string(f[0].Value) != `"Cancelled"` || len(k.session.Right.Filters) != 0 {
		t.Fatalf("filters %+v: %s", f, k.said())
	}
	if total := k.open(agent.CardSampleTable)[0].SampleTable.Total; total == nil || *total != 294 {
		t.Errorf("records %v", total)
	}
	k.say("only 2026")
	k.in(agent.Scoping) // two columns of dates: it asks
	k.choose(`filters:{"left":[{"column":"status","op":"neq","value":"Cancelled"},{"column":"issued"`)
	if f := k.session.Left.Filters; len(f) != 2 || f[1].Op != "between" || string(f[1].Value) != `["2026-01-01","2026-12-31"]` {
		t.Fatalf("filters %+v", f)
	}
	before := len(k.messages)
	k.say("ignore purple")
	if m := k.messages[len(k.messages)-1]; !strings.Contains(m.Text, "no such value") || !strings.Contains(m.Text, "status") || k.session.Phase != agent.Scoping {
		t.Errorf("invented something: %s", m.Text)
	}
	// A message is said anew: it and what came of it are gone.
	edited := k.messages[before].ID
	want[server.ChatStarted](t, s.call(http.MethodPost, "/api/chat", map[string]any{"session_id": k.id, "message": "only EUR", "edit": edited}), http.StatusAccepted)
	k.wait()
	if slices.ContainsFunc(k.messages, func(m agent.Said) bool { return strings.Contains(m.Text, "purple") }) {
		t.Errorf("still there: %s", k.said())
	}
	k.choose("filters:{\"left\"")
	k.say("these are fine")
	if k.session.Phase == agent.Scoping {
		k.say("ok")
	}
	k.in(agent.Demonstration)
	k.say("enough")
	k.in(agent.Inference)
	k.say("amounts may differ by 5 cents")
	k.in(agent.Inference)
	k.say("looks right")
	k.in(agent.Validation)
	if doc := k.last(agent.CardRecipeDiff).RecipeDiff.After; !strings.Contains(doc, "0.05") {
		t.Errorf("no tolerance in %s", doc)
	}
	k.say("save it and run it")
	k.in(agent.Validation) // words do not save
	if got := s.call(http.MethodGet, "/api/recipes", nil); string(got.body) != "[]\n" {
		t.Fatalf("saved by words: %s", got.body)
	}
	confirm := k.open(agent.CardConfirm)[0]
	k.say("within 90 days")
	k.in(agent.Validation)
	stale := s.call(http.MethodPost, "/api/chat/sessions/"+k.id+"/actions", agent.Click{Card: confirm.ID, Action: agent.ActApprove})
	if stale.status != http.StatusUnprocessableEntity || !strings.Contains(string(stale.body), "closed") {
		t.Errorf("an old button: %d %s", stale.status, stale.body)
	}
	k.click(k.open(agent.CardConfirm)[0], agent.Click{Action: agent.ActApprove})
	k.in(agent.Execution)
	s.until(k.session.RunID, server.RunCompleted)
	for len(k.open(agent.CardResult)) == 0 {
		k.wait()
	}
	k.say("why is INV-0001 not matched?")
	if m := k.messages[len(k.messages)-1]; !strings.Contains(m.Text, "INV-0001 is matched") {
		t.Errorf("%s", m.Text)
	}
	k.say("back")
	k.in(agent.Validation)
}

// TestChatIsPrivate: a conversation is its owner's, and its tools may what its owner may.
func TestChatIsPrivate(t *testing.T) {
	noLeaks(t)
	sched := scheduler(t)
	s := newSite(t, options{scheduler: sched.URL()})
	invoices, payments := demoFiles(t, 60)
	for alias, file := range map[string]string{"invoices": invoices, "payments": payments} {
		want[server.Done](t, s.call(http.MethodPost, "/api/sources", map[string]string{"alias": alias, "uri": file}), http.StatusOK)
	}
	k := s.talk()
	s.mustCreateUser("viewer@example.com", "viewer")
	token := s.newToken(s.signIn("viewer@example.com"), auth.ScopeRead)
	for _, path := range []string{"", "/events"} {
		if got := s.callAs(token, http.MethodGet, "/api/chat/sessions/"+k.id+path, nil); got.status != http.StatusNotFound {
			t.Errorf("another's conversation%s: %d", path, got.status)
		}
	}
	if got := s.callAs(token, http.MethodPost, "/api/chat", map[string]any{"session_id": k.id, "message": "hello"}); got.status != http.StatusNotFound {
		t.Errorf("saying something in it: %d", got.status)
	}
	if got := s.callAs(token, http.MethodDelete, "/api/chat/sessions/"+k.id, nil); got.status != http.StatusNotFound {
		t.Errorf("deleting it: %d", got.status)
	}

	started := want[server.ChatStarted](t, s.callAs(token, http.MethodPost, "/api/chat", map[string]any{"message": "reconcile invoices with payments"}), http.StatusAccepted)
	v := &talk{site: s, id: started.SessionID, token: token}
	v.wait()
	v.in(agent.Scoping) // a viewer may look
	v.choose("scoped")
	if m := v.messages[len(v.messages)-1]; !strings.Contains(m.Text, "preparer") {
		t.Errorf("a viewer drafts: %s", m.Text)
	}
	if v.session.Phase == agent.Inference {
		t.Errorf("in %s", v.session.Phase)
	}
	want[server.Done](t, s.call(http.MethodDelete, "/api/chat/sessions/"+k.id, nil), http.StatusOK)
	if got := s.call(http.MethodGet, "/api/chat/sessions/"+k.id, nil); got.status != http.StatusNotFound {
		t.Errorf("deleted: %d", got.status)
	}
}
