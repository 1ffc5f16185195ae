package recipes

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// selfSigned returns the PEM text of a certificate for example.com and its key.
func selfSigned(t *testing.T, serial int64) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "example.com"},
		DNSNames: []string{"example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
	return strings.TrimSuffix(text, "\n") // as layer secret set stores it
}

// shake returns the serial number of the certificate that a client sees.
func shake(t *testing.T, config *tls.Config) int64 {
	t.Helper()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		defer near.Close()
		_ = tls.Server(near, config).HandshakeContext(t.Context()) // the client reports a failure
	}()
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"})
	require.NoError(t, client.HandshakeContext(t.Context()))
	return client.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestHandshakesUseTheNewCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		standard := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		defer slog.SetDefault(standard)

		r := start(t, tlsPEM, selfSigned(t, 1))
		c, err := newCertificate(r.app)
		require.NoError(t, err)
		require.EqualValues(t, 1, shake(t, c.config()))

		r.set(selfSigned(t, 2))
		synctest.Wait()
		require.EqualValues(t, 2, shake(t, c.config()))
		require.Empty(t, log.String())

		r.set("-----BEGIN CERTIFICATE-----\ncut off")
		synctest.Wait()
		require.EqualValues(t, 2, shake(t, c.config()), "a faulty text replaces no certificate")
		require.Contains(t, log.String(), "version=v3")
		require.NotContains(t, log.String(), "cut off")

		r.store.Set(tlsPEM.Address().String(), selfSigned(t, 4))
		r.refresh()
		r.store.Set(tlsPEM.Address().String(), selfSigned(t, 5))
		r.refresh()
		synctest.Wait()
		require.EqualValues(t, 5, shake(t, c.config()), "a plain text is always v1, and its change counts")
	})
}

func TestFaultyCertificateIsAnErrorAtTheStart(t *testing.T) {
	r := start(t, tlsPEM, "no PEM")
	_, err := newCertificate(r.app)
	require.ErrorContains(t, err, "failed to find any PEM data")
}
