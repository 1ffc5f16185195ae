package etcd_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy is a TCP proxy in front of a member.
type proxy struct {
	Address string
	member  string

	mu sync.Mutex
	// state is "": it forwards; "holds": it reads and forwards nothing; "cut": it
	// refuses connections.
	state string
	news  *sync.Cond
	conns map[net.Conn]bool
}

func startProxy(t testing.TB, member string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Address: l.Addr().String(), member: member, conns: map[net.Conn]bool{}}
	p.news = sync.NewCond(&p.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m, err := net.Dial("tcp", member)
			if err != nil || !p.keep(c, m) {
				_ = c.Close()
				continue
			}
			all.Go(func() { p.forward(m, c) })
			all.Go(func() { p.forward(c, m) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.set("cut")
		all.Wait()
	})
	return p
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.state == "cut" {
			_ = c.Close()
		}
		p.conns[c] = true
	}
	return p.state != "cut"
}

func (p *proxy) forward(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 1<<15)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		for p.state == "holds" {
			p.news.Wait()
		}
		p.mu.Unlock()
		if _, err := to.Write(b[:n]); err != nil && err != io.ErrShortWrite {
			return
		}
	}
}

func (p *proxy) set(state string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	if state == "cut" {
		for c := range p.conns {
			_ = c.Close()
		}
		clear(p.conns)
	}
	p.news.Broadcast()
}

// hold keeps the connections and forwards nothing.
func (p *proxy) hold() { p.set("holds") }

// cut ends every connection, also new ones.
func (p *proxy) cut() { p.set("cut") }

// mend forwards everything again.
func (p *proxy) mend() { p.set("") }
