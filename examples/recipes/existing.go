package recipes

import "github.com/layeron-hq/secret"

// recipe: existing

var (
	databaseURL = secret.Static(secret.Options{Namespace: "shop", Name: "database-url", Binding: "DATABASE_URL"})

	// A Secret of the type kubernetes.io/tls has the keys tls.crt and tls.key.
	tlsCertificate = secret.Static(secret.Options{Namespace: "shop", Name: "tls-certificate", Binding: "tls.crt",
		Store: secret.Dir("/run/secrets/tls")})
	tlsKey = secret.Static(secret.Options{Namespace: "shop", Name: "tls-key", Binding: "tls.key",
		Store: secret.Dir("/run/secrets/tls")})
)

// end
