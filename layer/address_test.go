package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

func TestAnArgumentNamesOneSecret(t *testing.T) {
	spec := secret.Spec{Secrets: []secret.SpecSecret{
		declaration("auth", "session-key", ""),
		declaration("billing", "stripe-secret", "STRIPE_KEY"),
		declaration("db", "url", "DATABASE_URL"),
		declaration("default", "token", ""),
		declaration("edge", "cert", "tls.crt"), // the binding has the form of an address
		declaration("tls", "key", "edge.key"),
		declaration("edge", "key", "tls-key.pem"), // the address is the binding of another
	}}
	known := namesOf(spec, rotate.State{})
	for _, test := range []struct{ arg, want string }{
		{"auth.session-key", "$SECRET.auth.session-key"},
		{"$SECRET.auth.session-key", "$SECRET.auth.session-key"},
		{"LAYERON_SECRET_AUTH_SESSION_KEY", "$SECRET.auth.session-key"},
		{"STRIPE_KEY", "$SECRET.billing.stripe-secret"},
		{"billing.stripe-secret", "$SECRET.billing.stripe-secret"},
		{"DATABASE_URL", "$SECRET.db.url"},
		{"default.token", "$SECRET.default.token"},
		{"tls.crt", "$SECRET.edge.cert"},
		{"$SECRET.tls.crt", "$SECRET.tls.crt"}, // exact, though not declared
		{"tls-key.pem", "$SECRET.edge.key"},
		{"$SECRET.edge.key", "$SECRET.edge.key"},
		{"auth.other", "$SECRET.auth.other"}, // not declared: a later error
	} {
		t.Run(test.arg, func(t *testing.T) {
			require.NoError(t, checkName(test.arg))
			addr, err := known.resolve(test.arg)
			require.NoError(t, err)
			require.Equal(t, test.want, addr.String())
		})
	}
	for _, test := range []struct{ arg, want string }{
		{"edge.key", "edge.key names more than one secret, by its address or its binding: type '$SECRET.tls.key' or " +
			"'$SECRET.edge.key'"},
		{"LAYERON_SECRET_BILLING_STRIPE_SECRET", didYou("billing.stripe-secret")}, // the binding has another name
		{"stripe_key", didYou("billing.stripe-secret")},
		{"STRIPE-KEY", didYou("billing.stripe-secret")},
		{"DATABSE_URL", didYou("db.url")},
		{"token", didYou("default.token")},
		{"AUTH_SESSION_KEY", didYou("auth.session-key")},
		{"Auth.Session-Key", didYou("auth.session-key")},
		{"auth/session-key", didYou("auth.session-key")},
		{"auth:session-key", didYou("auth.session-key")},
		{"SECRET.auth.session-key", didYou("auth.session-key")},
		{"madeup_Qv71xKz8Rt.auth.session-key", didYou("auth.session-key")},
		{"auht.session-key", didYou("auth.session-key")},
		{"key", "no secret has that address or binding: did you mean `tls.key` or `edge.key`?"},
		{"madeup_qv71xkz8rt.other", "no secret has that address or binding: `layer secret status` lists the addresses, and " +
			"namespace.name is the form to type"},
		{"madeup_Qv71xKz8Rt", "no secret has that address or binding: `layer secret status` lists the addresses, and " +
			"namespace.name is the form to type"},
		{".auth.session-key", "a shell has replaced $SECRET: type namespace.name alone, or '$SECRET.namespace.name' in " +
			"single quotes"},
		{"madeup_Qv71xKz8Rt.other.key", "a shell has replaced $SECRET: type namespace.name alone, or " +
			"'$SECRET.namespace.name' in single quotes"},
		{"$SECRET.token", formOfAddress},
		{"madeup Qv71xKz8Rt", formOfAddress},
		{"p@ss/word", formOfAddress},
		{"", formOfAddress},
	} {
		t.Run(test.arg, func(t *testing.T) {
			_, err := known.resolve(test.arg)
			require.ErrorAs(t, err, new(usageError))
			require.EqualError(t, err, test.want)
		})
	}
}

const formOfAddress = "an address is namespace.name, or '$SECRET.namespace.name' in single quotes: namespace and " +
	"name " +
	"have 1 to 63 of a-z, 0-9, and between them - and _"

func didYou(name string) string {
	return "no secret has that address or binding: did you mean `" + name + "`?"
}

func declaration(namespace, name, binding string) secret.SpecSecret {
	addr := secret.Address{Namespace: namespace, Name: name}
	if binding == "" {
		binding = addr.Binding()
	}
	return secret.SpecSecret{Address: addr, Namespace: namespace, Name: name, Binding: binding}
}

// A completion inserts only names that the command then accepts.
func TestCompletionsNameOneSecret(t *testing.T) {
	spec := secret.Spec{Secrets: []secret.SpecSecret{
		declaration("auth", "key", ""), declaration("db", "url", "DATABASE_URL"), declaration("edge", "cert", "tls.crt"),
		declaration("tls", "crt", "TLS"), declaration("web", "key", "web.key"),
	}}
	for _, test := range []struct {
		args  string
		typed string
		want  string
	}{
		{"", "", "auth.key db.url edge.cert TLS web.key"},
		{"", "$", "auth.key db.url edge.cert TLS web.key"},
		{"", "$SECRET.", "auth.key db.url edge.cert TLS web.key"},
		{"auth.key DATABASE_URL $SECRET.tls.crt", "", "edge.cert web.key"},
		{"", "DATA", "DATABASE_URL"},
		{"", "$SECRET.a", "auth.key"},
		{"", "web.k", "web.key"},
		{"", "tls", ""},
		{"", "x", ""},
	} {
		var got []string
		for _, one := range completions(spec, rotate.State{}, strings.Fields(test.args), test.typed) {
			text, _, _ := strings.Cut(one, "\t")
			_, err := namesOf(spec, rotate.State{}).resolve(text)
			require.NoError(t, err, text)
			got = append(got, text)
		}
		require.ElementsMatch(t, strings.Fields(test.want), got, "%q %q", test.args, test.typed)
	}
}

func TestDistanceCountsTypingErrors(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"same", "same", 0}, {"sesion", "session", 1}, {"sessoin", "session", 1},
		{"imediate", "immediate", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abc", "cba", 2},
	} {
		require.Equal(t, test.want, distance(test.a, test.b), "%s %s", test.a, test.b)
		require.Equal(t, test.want, distance(test.b, test.a), "%s %s", test.b, test.a)
	}
}
