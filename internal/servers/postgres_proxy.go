package servers

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fault is what happens at a message to a Postgres server.
type Fault int

// Faults of a [PostgresProxy].
const (
	// Cut ends the connection. The server does not receive the message.
	Cut Fault = iota
	// Lost ends the connection after the server has answered. The client does not
	// receive the answer.
	Lost
	// Refused answers with an error, SQLSTATE 53100. The server does not receive the
	// message.
	Refused
	// Down is Cut, and the next two connections end too.
	Down
)

// PostgresProxy passes connections without TLS on to a Postgres server, until the
// test ends. It counts the messages that ask the server for something: the first
// one of a connection, those of a login, and statements of the simple protocol.
type PostgresProxy struct {
	Address string // host:port

	to    string
	all   sync.WaitGroup
	mu    sync.Mutex
	seen  int // messages since Stop
	at    int
	fault Fault
	act   func()
	down  int // connections to end
}

// StartPostgresProxy starts a proxy for the server at an address.
func StartPostgresProxy(t testing.TB, to string) *PostgresProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &PostgresProxy{Address: l.Addr().String(), to: to}
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.all.Wait()
	})
	return p
}

// Stop makes the fault happen at the nth message from now on; 0: at none. act is
// called before the connection ends or the error is sent. Nil: nothing is called.
func (p *PostgresProxy) Stop(n int, fault Fault, act func()) {
	if act == nil {
		act = func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen, p.at, p.fault, p.act, p.down = 0, n, fault, act, 0
}

// Seen returns the number of messages since Stop.
func (p *PostgresProxy) Seen() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// next counts a message.
func (p *PostgresProxy) next(first bool) (stop bool, fault Fault, act func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first && p.down > 0 {
		p.down--
		return true, Cut, func() {}
	}
	p.seen++
	if p.seen != p.at {
		return false, 0, nil
	}
	if p.fault == Down {
		p.down = 2
	}
	return true, p.fault, p.act
}

func (p *PostgresProxy) serve(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer s.Close()
	var mute atomic.Bool // answers are not passed on
	answered := make(chan struct{}, 1)
	go func() {
		defer c.Close()
		defer close(answered)
		b := make([]byte, 65536)
		for {
			n, err := s.Read(b)
			if err != nil {
				return
			}
			if mute.Load() {
				select {
				case answered <- struct{}{}:
				default:
				}
			} else if _, err := c.Write(b[:n]); err != nil {
				s.Close()
			}
		}
	}()
	b := make([]byte, 65536)
	for first := true; ; first = false {
		n, err := c.Read(b) // one message: the client waits for each answer
		if err != nil {
			return
		}
		if first || b[0] != 'X' { // X ends a connection, and has no answer
			if stop, fault, act := p.next(first); stop {
				if fault == Lost {
					mute.Store(true)
					if _, err := s.Write(b[:n]); err == nil {
						<-answered
					}
				}
				act()
				if fault != Refused {
					return
				}
				if _, err := c.Write(refusal(b[0] == 'Q')); err != nil || b[0] != 'Q' {
					return
				}
				continue
			}
		}
		if _, err := s.Write(b[:n]); err != nil {
			return
		}
	}
}

// refusal returns an error of the server. ready: the client may go on.
func refusal(ready bool) []byte {
	fields := []byte("SERROR\x00VERROR\x00C53100\x00Mthe disk is full\x00\x00")
	answer := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields)))
	answer = append(answer, fields...)
	if ready {
		answer = append(answer, 'Z', 0, 0, 0, 5, 'I')
	}
	return answer
}
