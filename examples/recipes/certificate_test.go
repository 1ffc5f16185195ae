package recipes

import (
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

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
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
		r := start(t, tlsPEM, selfSigned(t, 1))
		config, err := tlsConfig(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, shake(t, config))

		r.set(selfSigned(t, 2))
		require.EqualValues(t, 2, shake(t, config))

		r.set("-----BEGIN CERTIFICATE-----\ncut off")
		require.EqualValues(t, 2, shake(t, config), "a faulty text replaces no certificate")
		require.Equal(t, secret.WarnDerived, r.app.Status().Secrets[0].Warnings[0].Code)

		r.store.Set(tlsPEM.Address().String(), selfSigned(t, 4))
		r.refresh()
		require.EqualValues(t, 4, shake(t, config), "a plain text is always v1, and its change counts")
		require.Empty(t, r.app.Status().Secrets[0].Warnings)
	})
}

func TestFaultyCertificateIsAnErrorAtTheStart(t *testing.T) {
	start(t, tlsPEM, "no PEM")
	_, err := tlsConfig(t.Context())
	require.ErrorContains(t, err, "failed to find any PEM data")
}

func TestPairOfTwoSecretsChangesWhenBothHaveChanged(t *testing.T) {
	halves := func(serial int64) (certificate, key string) {
		certificate, key, found := strings.Cut(selfSigned(t, serial), "-----BEGIN PRIVATE")
		require.True(t, found)
		return certificate, "-----BEGIN PRIVATE" + key
	}
	certificates, keys := secrettest.Set(t, tlsCertificate, ""), secrettest.Set(t, tlsKey, "")
	app := secret.NewApp(secret.AppOptions{Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).Use(tlsCertificate, tlsKey)
	certificate, key := halves(1)
	certificates.Set(tlsCertificate.Address().String(), certificate)
	keys.Set(tlsKey.Address().String(), key)
	require.NoError(t, app.Start(t.Context()))
	defer app.Close()
	serial := func() int64 {
		require.NoError(t, app.Refresh(t.Context()))
		pair, err := pairOfTwo.Get(t.Context())
		require.NoError(t, err)
		return pair.Leaf.SerialNumber.Int64()
	}
	require.EqualValues(t, 1, serial())
	certificate, key = halves(2)
	certificates.Set(tlsCertificate.Address().String(), certificate)
	require.EqualValues(t, 1, serial())
	keys.Set(tlsKey.Address().String(), key)
	require.EqualValues(t, 2, serial())
}
