package postgres_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
)

// fakeServer implements the part of Postgres' protocol that a connection needs,
// and then refuses.
type fakeServer struct {
	tls *tls.Config // nil: it declines TLS
	// login refuses a connection; nil: it does not.
	login *pgproto3.ErrorResponse
	// statement refuses statements.
	statement *pgproto3.ErrorResponse
	// raw is the answer of a server of another kind.
	raw string

	address string
	asked   atomic.Int32 // connections
}

// start serves on this machine until the test ends.
func (f *fakeServer) start(t *testing.T) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f.address = l.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.asked.Add(1)
			go f.serve(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return f
}

func (f *fakeServer) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	// An unread byte would reset the connection, and the client would lose the answer.
	defer func(c net.Conn) {
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}(c)
	if f.raw != "" {
		_, _ = io.WriteString(c, f.raw)
		return
	}
	b := pgproto3.NewBackend(c, c)
	for {
		m, err := b.ReceiveStartupMessage()
		if err != nil {
			return
		}
		if _, ok := m.(*pgproto3.SSLRequest); !ok {
			break
		}
		if f.tls == nil {
			_, _ = c.Write([]byte("N"))
			continue
		}
		_, _ = c.Write([]byte("S"))
		c = tls.Server(c, f.tls)
		b = pgproto3.NewBackend(c, c)
	}
	if f.login != nil {
		b.Send(f.login)
		_ = b.Flush()
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		m, err := b.Receive()
		if err != nil {
			return
		}
		switch m.(type) {
		case *pgproto3.Parse, *pgproto3.Query:
			b.Send(f.statement)
			if f.statement.Severity == "FATAL" {
				_ = b.Flush()
				return
			}
			if _, ok := m.(*pgproto3.Query); ok {
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			}
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
}

// certified makes a certificate for a host. It also returns the certificate file
// of the authority that signed it.
func certified(t *testing.T, host string, until time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "authority.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
