package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/redacttest"
)

// eavesdropper is a server of the Postgres protocol. It offers no TLS or
// presents a certificate, and asks for a password.
type eavesdropper struct {
	tls    *tls.Config // nil: none
	atOnce bool        // asks for no password

	mu       sync.Mutex
	password string // the received password
	came     int    // connections
}

// serve handles one connection.
func (e *eavesdropper) serve(conn net.Conn) {
	defer conn.Close()
	e.mu.Lock()
	e.came++
	e.mu.Unlock()
	if e.atOnce {
		conn = tls.Server(conn, e.tls)
	}
	backend := pgproto3.NewBackend(conn, conn)
	for {
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		if _, ok := message.(*pgproto3.SSLRequest); !ok {
			break
		}
		if e.tls == nil {
			_, _ = conn.Write([]byte("N"))
			continue
		}
		_, _ = conn.Write([]byte("S"))
		conn = tls.Server(conn, e.tls)
		backend = pgproto3.NewBackend(conn, conn)
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if backend.Flush() != nil {
		return
	}
	_ = backend.SetAuthType(pgproto3.AuthTypeCleartextPassword)
	if message, err := backend.Receive(); err == nil {
		if sent, ok := message.(*pgproto3.PasswordMessage); ok {
			e.mu.Lock()
			e.password = sent.Password
			e.mu.Unlock()
		}
	}
	backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "no"})
	_ = backend.Flush()
}

// heard connects with the settings of an address, but to the eavesdropper, and
// returns the password that arrived.
func (e *eavesdropper) heard(t *testing.T, config *pgx.ConnConfig) (password string, err error) {
	t.Helper()
	config.Password = pgPassword
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go e.serve(there)
		return here, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = pgx.ConnectConfig(ctx, config)
	require.Error(t, err)
	require.Positive(t, e.came)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.password, err
}

// certified returns the TLS settings of a server, and the file of its
// authority.
func certified(t *testing.T, host string) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "root.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}

// TestPasswordLeavesThisMachineOverVerifiedTLSAlone also checks the exception:
// without TLS if sslmode=disable is set.
func TestPasswordLeavesThisMachineOverVerifiedTLSAlone(t *testing.T) {
	service := filepath.Join(t.TempDir(), "services")
	require.NoError(t, os.WriteFile(service,
		[]byte("[plain]\nsslmode=disable\n[weak]\nsslmode=prefer\n[bare]\nhost=db.internal\n"), 0o600))
	served, root := certified(t, "db.internal")
	for name, tc := range map[string]struct {
		address string
		env     [2]string
		tls     bool // with a certificate that the system does not trust
		sends   bool
	}{
		"nothing given":                    {address: "postgres://u@db.internal/d"},
		"nothing given, and TLS":           {address: "postgres://u@db.internal/d", tls: true},
		"an empty mode":                    {address: "postgres://u@db.internal/d?sslmode="},
		"prefer":                           {address: "postgres://u@db.internal/d?sslmode=prefer"},
		"prefer, and TLS":                  {address: "postgres://u@db.internal/d?sslmode=prefer", tls: true},
		"allow":                            {address: "postgres://u@db.internal/d?sslmode=allow"},
		"allow, and TLS":                   {address: "postgres://u@db.internal/d?sslmode=allow", tls: true},
		"require":                          {address: "postgres://u@db.internal/d?sslmode=require"},
		"verify-full":                      {address: "postgres://u@db.internal/d?sslmode=verify-full"},
		"verify-full, and TLS":             {address: "postgres://u@db.internal/d?sslmode=verify-full", tls: true},
		"TLS at once":                      {address: "postgres://u@db.internal/d?sslnegotiation=direct", tls: true},
		"the host as a parameter":          {address: "postgres:///d?host=db.internal"},
		"by the variable, prefer":          {address: "postgres://u@db.internal/d", env: [2]string{"PGSSLMODE", "prefer"}},
		"by the variable, allow":           {address: "postgres://u@db.internal/d", env: [2]string{"PGSSLMODE", "allow"}},
		"the host by the variable":         {address: "postgres:///d", env: [2]string{"PGHOST", "db.internal"}},
		"by a service, prefer":             {address: "postgres://u@db.internal/d?service=weak&servicefile=" + service},
		"by a service, nothing":            {address: "postgres:///d?service=bare&servicefile=" + service},
		"several hosts":                    {address: "postgres://u@db.internal,db2.internal:5433/d"},
		"several hosts, this machine last": {address: "postgres://u@db.internal,127.0.0.1:1/d?name=x"},
		"several hosts, preferring":        {address: "postgres://u@a.internal,b.internal/d?sslmode=prefer"},
		"an address that is not this one":  {address: "postgres://u@10.1.2.3/d"},
		"all addresses":                    {address: "postgres://u@0.0.0.0/d"},
		"a name like this machine's":       {address: "postgres://u@localhost.internal/d"},
		"typed":                            {address: "postgres://u@db.internal/d?sslmode=disable", sends: true},
		"typed into the variable": {address: "postgres://u@db.internal/d", env: [2]string{"PGSSLMODE", "disable"},
			sends: true},
		"typed into the service's file": {address: "postgres://u@db.internal/d?service=plain&servicefile=" + service,
			sends: true},
		"this machine":         {address: "postgres://u@127.0.0.1/d", sends: true},
		"this machine by name": {address: "postgres://u@localhost/d", sends: true},
		"this machine by IPv6": {address: "postgres://u@[::1]/d", sends: true},
		"a socket":             {address: "postgres:///d?host=/tmp", sends: true},
		"an authority that is trusted": {address: "postgres://u@db.internal/d?sslrootcert=" + root, tls: true,
			sends: true},
		"the same, at once": {address: "postgres://u@db.internal/d?sslnegotiation=direct&sslrootcert=" + root,
			tls: true, sends: true},
		"encrypted at once, as typed": {address: "postgres://u@db.internal/d?sslnegotiation=direct&sslmode=require",
			tls: true, sends: true},
		"the same, and another host's name": {address: "postgres://u@db2.internal/d?sslrootcert=" + root, tls: true},
		"encrypted, as typed":               {address: "postgres://u@db.internal/d?sslmode=require", tls: true, sends: true},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.env[0] != "" {
				t.Setenv(tc.env[0], tc.env[1])
			}
			at, err := postgresPlace(tc.address)
			require.NoError(t, err)
			config, err := with(nil).postgresConfig(at)
			require.NoError(t, err)
			e := &eavesdropper{}
			if tc.tls {
				e.tls, e.atOnce = served, config.SSLNegotiation == "direct"
				if e.atOnce {
					e.tls = e.tls.Clone()
					e.tls.NextProtos = []string{"postgresql"}
				}
			}
			if name == "several hosts, this machine last" {
				e.forThisMachine(t, config)
			}
			password, err := e.heard(t, config)
			if tc.sends {
				require.Equal(t, pgPassword, password, "%v", err)
				return
			}
			require.Empty(t, redacttest.Find(password, pgPassword))
			require.Empty(t, password)
		})
	}
}

// forThisMachine checks that connections to a host on this machine work as
// before.
func (e *eavesdropper) forThisMachine(t *testing.T, config *pgx.ConnConfig) {
	t.Helper()
	require.Equal(t, "db.internal", config.Host)
	require.Len(t, config.Fallbacks, 2)
	require.Nil(t, config.Fallbacks[1].TLSConfig)
	config.Fallbacks = nil
}
