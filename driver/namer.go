package driver

// Namer is a [Publisher] that does not name values by [Names].SecretName.
type Namer interface {
	// NameOf returns the name in the target of the value with these names. It
	// returns the same name every time.
	NameOf(names Names) string
}

// Names are the names that a declaration gives to one secret.
type Names struct {
	// Address is the secret's address, such as "$SECRET.auth.session-key".
	Address string
	// Binding is the name by which programs find the value, such as
	// "LAYERON_SECRET_AUTH_SESSION_KEY".
	Binding string
	// SecretName is the value's name in an account-wide store, such as
	// "lo_5f…" with 24 hexadecimal digits.
	SecretName string
}
