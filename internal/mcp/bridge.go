package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"kalla"
)

// Bridge serves over a pair of streams what an app serves at a URL, with the
// API token of one of its users; masked asks it for tokens in the place of values. Errors are *kalla.Error; the end of the streams is none.
func Bridge(ctx context.Context, version, app, token string, masked bool, in io.Reader, out io.Writer) error {
	const op = "connecting to the app"
	b := &bridge{waiting: map[string]func(*sdk.ProgressNotificationParams){}}
	far := sdk.NewClient(&sdk.Implementation{Name: "kalla", Version: version}, &sdk.ClientOptions{
		Capabilities:                &sdk.ClientCapabilities{},
		ProgressNotificationHandler: b.progress,
	})
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the environment is not this package's to read
	defer transport.CloseIdleConnections()
	auth := &bearer{next: transport, token: token}
	endpoint := strings.TrimSuffix(app, "/") + "/mcp"
	if masked {
		endpoint += "?" + maskedParam + "=" + maskedValue
	}
	session, err := far.Connect(ctx, &sdk.StreamableClientTransport{
		Endpoint: endpoint, DisableStandaloneSSE: true, MaxRetries: -1,
		HTTPClient: &http.Client{Transport: auth, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil)
	if err == nil {
		defer session.Close()
		b.far = session
		var tools *sdk.ListToolsResult
		if tools, err = session.ListTools(ctx, nil); err == nil {
			near := newServer(version, instructionsOf(session))
			for _, t := range tools.Tools {
				near.AddTool(t, b.call)
			}
			return serveStdio(ctx, near, in, out)
		}
	}
	switch status := auth.refused(); {
	case ctx.Err() != nil:
		return nil
	case status == http.StatusUnauthorized:
		return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: app, Why: "the token is not accepted", Hint: "make one with the scopes read, write and runs on the app's page Settings, and set KALLA_TOKEN to it"}
	case status == http.StatusForbidden:
		return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: app, Why: "the token may not read", Hint: "make one with the scopes read, write and runs on the app's page Settings"}
	case status != 0:
		return &kalla.Error{Code: kalla.CodeUsage, Op: op, Where: app, Why: fmt.Sprintf("it answers %d %s", status, http.StatusText(status)), Hint: "see that the URL is that of an app of this version: http://localhost:3000"}
	}
	return &kalla.Error{Code: kalla.CodeSource, Op: op, Where: app, Why: "it cannot be reached", Hint: "see that kalla up or kalla serve runs there", Err: err}
}

func instructionsOf(s *sdk.ClientSession) string {
	if r := s.InitializeResult(); r != nil {
		return r.Instructions
	}
	return instructions
}

// bridge passes calls on to the far end, and what it tells of their progress back.
type bridge struct {
	far *sdk.ClientSession

	mu      sync.Mutex
	last    int
	waiting map[string]func(*sdk.ProgressNotificationParams)
}

func (b *bridge) call(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	params := &sdk.CallToolParams{Name: req.Params.Name}
	if len(req.Params.Arguments) > 0 {
		params.Arguments = req.Params.Arguments
	}
	if token := req.Params.GetProgressToken(); token != nil {
		own, done := b.wait(func(p *sdk.ProgressNotificationParams) {
			// Whoever asked for it may have gone; the call tells.
			_ = req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: token, Progress: p.Progress, Total: p.Total, Message: p.Message})
		})
		defer done()
		params.SetProgressToken(own)
	}
	result, err := b.far.CallTool(ctx, params)
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: "The app does not answer: " + err.Error() + "\nHint: see that it runs, and that the token is still good."}}}, nil
	}
	return result, err
}

func (b *bridge) wait(tell func(*sdk.ProgressNotificationParams)) (token string, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	token = fmt.Sprintf("call-%d", b.last)
	b.waiting[token] = tell
	return token, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiting, token)
	}
}

func (b *bridge) progress(_ context.Context, req *sdk.ProgressNotificationClientRequest) {
	token, _ := req.Params.ProgressToken.(string)
	b.mu.Lock()
	tell := b.waiting[token]
	b.mu.Unlock()
	if tell != nil {
		tell(req.Params)
	}
}

// bearer sends the token along, and notes how the app refuses.
type bearer struct {
	next  http.RoundTripper
	token string

	mu     sync.Mutex
	status int
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	resp, err := b.next.RoundTrip(r)
	if err == nil && resp.StatusCode >= http.StatusMultipleChoices {
		b.mu.Lock()
		b.status = resp.StatusCode
		b.mu.Unlock()
	}
	return resp, err
}

func (b *bearer) refused() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}
