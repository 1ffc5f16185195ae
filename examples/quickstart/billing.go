package main

import (
	"fmt"
	"io"

	"github.com/layeron-hq/secret"
)

// declareStripe declares a key that an operator supplies: one plain value.
func declareStripe(store secret.Store) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret", Store: store})
}

func showAPIKey(w io.Writer, s *secret.Secret) error {
	apiKey, err := s.Current().Text()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "API key      read, %d characters\n", len(apiKey))
	return nil
}

// declarePayments declares credentials. They are a plain value too; only the
// reader uses that it is JSON.
func declarePayments(store secret.Store) *secret.Secret {
	return secret.Static(secret.Options{Namespace: "billing", Name: "payments-api", Store: store})
}

// credentials is the content of that value.
type credentials struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

func showCredentials(w io.Writer, s *secret.Secret) error {
	c, err := secret.JSON[credentials](s.Current())
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Credentials  client id of %d characters, client secret of %d\n", len(c.ClientID), len(c.ClientSecret))
	return nil
}
