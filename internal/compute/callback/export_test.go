package callback

import (
	"context"
	"net"
	"net/http"
)

// DialWith makes connections in another way, so that time can be a test's own.
func (c *Client) DialWith(dial func(context.Context, string, string) (net.Conn, error)) {
	c.http.Transport.(*http.Transport).DialContext = dial
}
