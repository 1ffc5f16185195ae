package recipes

import (
	"context"
	"crypto/tls"

	"github.com/layeron-hq/secret"
)

// recipe: certificate

// tlsPEM is one PEM text: the certificate, its chain and the private key.
var tlsPEM = secret.Static(secret.Options{Namespace: "edge", Name: "tls"})

var certificate = secret.Derive(func(docs ...*secret.Document) (*tls.Certificate, error) {
	pem := []byte(docs[0].Current().Text())
	pair, err := tls.X509KeyPair(pem, pem)
	return &pair, err
}, tlsPEM)

func tlsConfig(ctx context.Context) (*tls.Config, error) {
	if _, err := certificate.Get(ctx); err != nil {
		return nil, err // no good certificate at the start
	}
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return certificate.Get(hello.Context())
	}}, nil
}

// end
