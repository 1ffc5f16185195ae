package recipes

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/layeron-hq/secret"
)

// recipe: certificate

// tlsPEM is one PEM text: the certificate, its chain and the private key.
var tlsPEM = secret.Static(secret.Options{Namespace: "edge", Name: "tls"})

type certificate struct {
	loading sync.Mutex
	current atomic.Pointer[tls.Certificate]
}

func newCertificate(app *secret.App) (*certificate, error) {
	c := new(certificate)
	app.OnChange(func(change secret.Change) {
		if !change.CurrentChanged {
			return
		}
		if err := c.load(); err != nil {
			slog.Error("the new certificate is not used", "version", change.New, "error", err)
		}
	}, tlsPEM)
	return c, c.load() // after OnChange, so that no change is missed
}

func (c *certificate) load() error {
	c.loading.Lock()
	defer c.loading.Unlock()
	pem, err := tlsPEM.Current().Bytes()
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(pem, pem)
	if err != nil {
		return err
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.current.Load(), nil
	}}
}

// end
