package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
	"github.com/layeron-hq/secret/layer/rotate"
)

// The target etcd. Package etcd implements it; this file takes its settings
// from the variables that etcdctl reads, so that both connect in the same way.

// etcd opens the etcd target. The user and the certificates come from the
// variables of etcdctl.
func (l *layer) etcd(ctx context.Context, target string, set rotate.Settings) (driver.Publisher, error) {
	o, err := etcd.ParseURL(target)
	if err != nil {
		return nil, err
	}
	o.Workspace, o.Project, o.Environment = set.Workspace, set.Project, set.Environment
	user, _ := l.lookup("ETCDCTL_USER")
	name, password, inUser := strings.Cut(user, ":")
	if !inUser {
		password, _ = l.lookup("ETCDCTL_PASSWORD")
	}
	if name != "" && password == "" {
		return nil, errors.New("ETCDCTL_USER names a user without a password: set ETCDCTL_PASSWORD")
	}
	o.Username, o.Password = name, driver.NewValue(password)
	if o.TLS, err = l.etcdTLS(l.getenv("ETCDCTL_CACERT"), l.getenv("ETCDCTL_CERT"), l.getenv("ETCDCTL_KEY")); err != nil {
		return nil, err
	}
	l.progressText("opening the target")
	p, err := etcd.OpenPublisher(ctx, o)
	if err != nil {
		return nil, err
	}
	l.atEnd(p)
	return p, nil
}

// etcdTLS reads the certificates. It returns nil if no variable names one.
func (p process) etcdTLS(ca, cert, key string) (*tls.Config, error) {
	if ca == "" && cert == "" && key == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(p.path(ca))
		if err != nil {
			return nil, fmt.Errorf("ETCDCTL_CACERT: %s cannot be read: %w", p.fileName(ca, "the file that it names"), cause(err))
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ETCDCTL_CACERT: %s contains no certificate in PEM", ca)
		}
	}
	if cert == "" && key == "" {
		return c, nil
	}
	if cert == "" || key == "" {
		return nil, errors.New("ETCDCTL_CERT and ETCDCTL_KEY belong together: set both")
	}
	pair, err := tls.LoadX509KeyPair(p.path(cert), p.path(key))
	if err != nil { // err may quote the file, so it is not wrapped
		return nil, fmt.Errorf("ETCDCTL_CERT and ETCDCTL_KEY: %s and %s cannot be used: both must be PEM files that can "+
			"be read, and belong together",
			p.fileName(cert, "the first one's file"), p.fileName(key, "the second one's file"))
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}
