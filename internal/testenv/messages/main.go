// Command messages replays a recorded conversation with a language model, for
// tests in other processes, such as those of the web app in a browser:
//
//	go run ./internal/testenv/messages [-addr 127.0.0.1:0] conversation.json
//
// It prints the environment with which the app talks to it, then serves until it
// is interrupted. GET /replay tells what was wrong with requests and how many
// exchanges are left, PUT /replay with another file begins anew. What a file
// holds: testenv.Conversation.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"kalla/internal/testenv"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "messages:", err)
		os.Exit(1)
	}
}

func serve() error {
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	flag.Parse()
	conversation := []byte(`{}`)
	if flag.NArg() > 0 {
		var err error
		if conversation, err = os.ReadFile(flag.Arg(0)); err != nil {
			return err
		}
	}
	server, err := testenv.NewModelServer(conversation)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "ANTHROPIC_BASE_URL=http://%s\nANTHROPIC_API_KEY=%s\n", listener.Addr(), server.Key)
	return (&http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}
