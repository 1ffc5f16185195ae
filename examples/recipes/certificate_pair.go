package recipes

import (
	"crypto/tls"

	"github.com/layeron-hq/secret"
)

// recipe: certificate-pair

// pairOfTwo is the last pair of a certificate and a key that match.
var pairOfTwo = secret.Derive(func(docs ...*secret.Document) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(docs[0].Current().Text()), []byte(docs[1].Current().Text()))
	return &pair, err
}, tlsCertificate, tlsKey)

// end
