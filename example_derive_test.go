package secret_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"

	"github.com/layeron-hq/secret"
)

// A TLS certificate from two secrets. An operator replaces both, one after the
// other: until both are there, the server continues with the last pair, and the
// status has the warning [secret.WarnDerived].
func ExampleDerive() {
	certificate := secret.Static(secret.Options{Namespace: "edge", Name: "tls-certificate"})
	key := secret.Static(secret.Options{Namespace: "edge", Name: "tls-key"})
	pair := secret.Derive(func(docs ...*secret.Document) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair([]byte(docs[0].Current().Text()), []byte(docs[1].Current().Text()))
		return &pair, err
	}, certificate, key)

	oldCertificate, oldKey := selfSigned(1)
	newCertificate, newKey := selfSigned(2)
	store := secret.NewMemory(map[string]string{"$SECRET.edge.tls-certificate": oldCertificate,
		"$SECRET.edge.tls-key": oldKey})
	app := secret.NewApp(secret.AppOptions{Store: store, Logger: silence}).Use(certificate, key)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return pair.Get(hello.Context())
	}}
	_ = config // for the server
	show := func(when string) {
		pair, err := pair.Get(context.Background())
		fmt.Println(when, pair.Leaf.SerialNumber, err)
	}
	show("start:")
	store.Set("$SECRET.edge.tls-certificate", newCertificate)
	_ = app.Refresh(context.Background()) // an App also finds changes by itself
	show("half of the pair:")
	for _, warning := range app.Status().Secrets[0].Warnings {
		fmt.Println("status:", warning.Code)
	}
	store.Set("$SECRET.edge.tls-key", newKey)
	_ = app.Refresh(context.Background())
	show("both:")
	// Output:
	// start: 1 <nil>
	// half of the pair: 1 <nil>
	// status: derived
	// both: 2 <nil>
}

// Credentials that are JSON, decoded once for each change.
func ExampleDerived_Get() {
	type credentials struct{ User, Password string }
	database := secret.Static(secret.Options{Namespace: "billing", Name: "database",
		Store: secret.NewMemory(map[string]string{"$SECRET.billing.database": `{"user": "shop", "password": "hunter2"}`})})

	login := secret.Derive(func(docs ...*secret.Document) (credentials, error) {
		var c credentials
		err := docs[0].Current().JSON(&c)
		return c, err
	}, database)

	c, err := login.Get(context.Background())
	fmt.Println(c.User, err)
	fmt.Println(login)
	// Output:
	// shop <nil>
	// derived from $SECRET.billing.database
}

// selfSigned returns a certificate with that serial number, and its key.
func selfSigned(serial int64) (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		log.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		log.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}
