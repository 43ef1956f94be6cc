package testenv

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy passes connections on to a server, until it is told not to: for tests
// of a network that breaks.
type Proxy struct {
	Host, Port string

	target  string
	passed  atomic.Int64 // bytes from clients, of all connections
	watch   atomic.Pointer[func(total int64)]
	perConn atomic.Int64 // bytes from a client after which its connection is cut; 0 for never
	perDown atomic.Int64 // bytes to a client after which its connection is cut; 0 for never
	hangs   atomic.Bool

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// NewProxy starts a proxy for the server at host:port. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, conns: map[net.Conn]bool{}}
	p.Host, p.Port, _ = net.SplitHostPort(listener.Addr().String())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.Break()
		wg.Wait()
	})
	return p
}

// Watch calls f with the bytes that clients have sent so far, each time some were passed on.
func (p *Proxy) Watch(f func(total int64)) { p.watch.Store(&f) }

// CutUploads cuts each connection whose client has sent that many bytes.
func (p *Proxy) CutUploads(bytes int64) { p.perConn.Store(bytes) }

// CutDownloads cuts each connection whose client was sent that many bytes.
func (p *Proxy) CutDownloads(bytes int64) { p.perDown.Store(bytes) }

// Hang makes the proxy accept connections and pass nothing on, those that are open included.
func (p *Proxy) Hang() { p.hangs.Store(true) }

// Break cuts all connections, and those that come from now on.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for c := range p.conns {
		_ = c.Close()
	}
}

// Mend makes the proxy pass connections on again that come from now on.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
	p.hangs.Store(false)
}

// hold registers a connection, or closes it where the proxy is broken.
func (p *Proxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func (p *Proxy) serve(client net.Conn) {
	if !p.hold(client) {
		return
	}
	defer p.drop(client)
	if p.hangs.Load() {
		_, _ = io.Copy(io.Discard, client) // until it goes away or the proxy breaks
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.hold(server) {
		return
	}
	defer p.drop(server)
	var wg sync.WaitGroup
	wg.Go(func() {
		p.pass(server, client, &p.perConn, true)
		_ = server.Close()
	})
	p.pass(client, server, &p.perDown, false)
	_ = client.Close()
	_ = server.Close()
	wg.Wait()
}

// pass copies until one end closes, or the limit is reached.
func (p *Proxy) pass(to, from net.Conn, limit *atomic.Int64, up bool) {
	buf := make([]byte, 16<<10)
	for sent := int64(0); ; {
		n, err := from.Read(buf)
		if p.hangs.Load() {
			_, _ = io.Copy(io.Discard, from) // until it goes away or the proxy breaks
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			sent += int64(n)
			if up {
				total := p.passed.Add(int64(n))
				if f := p.watch.Load(); f != nil {
					(*f)(total)
				}
			}
		}
		if most := limit.Load(); err != nil || most > 0 && sent >= most {
			return
		}
	}
}
