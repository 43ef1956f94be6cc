package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"kalla"
	"kalla/internal/job"
)

// nodesTime is how long the coordinator may take to say which nodes there are:
// it does so in milliseconds, the first time in a second or two.
const nodesTime = 15 * time.Second

// active is the state of a worker that takes work.
const active = "active"

// roster remembers for a moment which workers there are.
type roster struct {
	client *http.Client
	url    string
	turn   chan struct{} // holds a token while somebody asks or reads
	asked  time.Time
	nodes  []job.Node
}

// fresh is how long an answer counts.
const fresh = time.Second

func newRoster(client *http.Client, url string) *roster {
	return &roster{client: client, url: url, turn: make(chan struct{}, 1)}
}

func (r *roster) get(ctx context.Context) ([]job.Node, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, &kalla.Error{Code: kalla.CodeCanceled, Op: asking, Where: r.url, Err: context.Cause(ctx)}
	}
	if time.Since(r.asked) < fresh {
		return slices.Clone(r.nodes), nil
	}
	nodes, err := Nodes(ctx, r.client, r.url)
	if err != nil {
		return nil, err
	}
	r.nodes, r.asked = nodes, time.Now()
	return slices.Clone(nodes), nil
}

const asking = "asking Trino for its workers"

// Nodes asks the coordinator at a URL for its workers, in the order of their
// ids, whatever their state. None is an answer, not an error.
func Nodes(ctx context.Context, client *http.Client, coordinator string) ([]job.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, nodesTime)
	defer cancel()
	rows, err := query(ctx, client, coordinator, "SELECT node_id, http_uri, state FROM system.runtime.nodes WHERE NOT coordinator")
	var fault *trinoFault
	switch {
	case errors.As(err, &fault) && fault.Name == "GENERIC_INSUFFICIENT_RESOURCES":
		return nil, nil // no worker at all: then Trino runs no query, not even this one
	case err != nil:
		return nil, &kalla.Error{Code: kalla.CodeEngine, Op: asking, Where: coordinator, Err: err}
	}
	nodes := make([]job.Node, 0, len(rows))
	for _, row := range rows {
		if len(row) == 3 {
			nodes = append(nodes, job.Node{ID: row[0], URL: row[1], State: row[2]})
		}
	}
	slices.SortFunc(nodes, func(a, b job.Node) int { return strings.Compare(a.ID, b.ID) })
	return nodes, nil
}

// trinoFault is why a query failed.
type trinoFault struct {
	Message string `json:"message"`
	Name    string `json:"errorName"`
}

func (f *trinoFault) Error() string { return f.Message }

// query runs a small query, whose values are all texts, and waits for no worker.
func query(ctx context.Context, client *http.Client, coordinator, sql string) ([][]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, coordinator+"/v1/statement", strings.NewReader(sql))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Trino-Source", "kalla")
	req.Header.Set("X-Trino-Session", "required_workers_max_wait_time=1ms,retry_policy=NONE")
	var rows [][]string
	for {
		page, err := queryPage(client, req)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page.Data...)
		switch {
		case page.Error != nil:
			return nil, page.Error
		case page.NextURI == "":
			return rows, nil
		}
		// Where it goes on is a matter of the path: by which name and protocol the coordinator is reached, we know better.
		next, err := url.Parse(page.NextURI)
		if err != nil {
			return nil, err
		}
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, coordinator+next.RequestURI(), nil); err != nil {
			return nil, err
		}
	}
}

type resultPage struct {
	NextURI string      `json:"nextUri"`
	Data    [][]string  `json:"data"`
	Error   *trinoFault `json:"error"`
}

func queryPage(client *http.Client, req *http.Request) (*resultPage, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %.200s", resp.Status, body)
	}
	page := new(resultPage)
	return page, json.Unmarshal(body, page)
}
