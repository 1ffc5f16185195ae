package kubernetes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseTarget(t *testing.T) {
	long := strings.Repeat("a", 63)
	for text, want := range map[string]Object{
		"kubernetes:prod/app":                                           {"prod", "app", ""},
		"kubernetes:prod/app.v1-x":                                      {"prod", "app.v1-x", ""},
		"kubernetes:1/2?context=eu":                                     {"1", "2", "eu"},
		"kubernetes:prod/app?context=arn%3Aaws%3Aeks%2Fa%26b":           {"prod", "app", "arn:aws:eks/a&b"},
		"kubernetes:prod/app?context=me+you@eu":                         {"prod", "app", "me+you@eu"},
		"kubernetes:prod/app?context=a b;c=d#e":                         {"prod", "app", "a b;c=d#e"},
		"kubernetes:prod/app?context=a%20b%2Bc%25":                      {"prod", "app", "a b+c%"},
		"kubernetes:prod/app?context=default/api-x:6443/kube:admin":     {"prod", "app", "default/api-x:6443/kube:admin"},
		"kubernetes:prod/app?context=gke_project_zone_name":             {"prod", "app", "gke_project_zone_name"},
		"kubernetes:" + long + "/" + long + "." + long + "?context=a@b": {long, long + "." + long, "a@b"},
	} {
		o, err := ParseTarget(text)
		require.NoError(t, err, text)
		require.Equal(t, want, o, text)
	}
	for _, text := range []string{"", "kubernetes", "kubernetes:", "kubernetes:prod", "kubernetes:/app", "kubernetes:prod/",
		"kubernetes:prod/a/b", "kubernetes:Prod/app", "kubernetes:prod/App", "kubernetes:-prod/app", "kubernetes:prod/app-",
		"kubernetes:prod/.app", "kubernetes:prod/a..b", "kubernetes:prod/app_1", "kubernetes:" + long + "a/app",
		"kubernetes:prod/" + strings.Repeat("a", 254), "kubernetes:prod/app?", "kubernetes:prod/app?context=",
		"kubernetes:prod/app?context=a&context=b", "kubernetes:prod/app?token=" + marker, "kubernetes:prod/app?%zz", "kubernetes:prod/app?context=%zz",
		"kubernetes:prod/app?token=" + marker + "&context=a", "kubernetes:prod/app?context=a&token=" + marker,
		"kubernetes:prod/app?context",
		"kubernetes:prod/" + marker + "=", "kubernetes:" + marker + "/app", "kubernetes:pr.od/app", "kubernetes:prod/app\n"} {
		o, err := ParseTarget(text)
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), marker)
		_ = o
	}
}

// A name that an annotation cannot have gets a digest, another one each.
func TestAnnotation(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"LAYERON_SECRET_AUTH_SESSION_KEY", strings.Repeat("A", 63), strings.Repeat("A", 64),
		strings.Repeat("A", 200), "_A", "A_", "tls.crt", "A-", "A."} {
		key := annotation(name)
		rest, ok := strings.CutPrefix(key, "secret.layeron.dev/")
		require.True(t, ok)
		require.True(t, simple().MatchString(rest), rest)
		require.Empty(t, seen[key])
		seen[key] = name
	}
	require.Equal(t, "secret.layeron.dev/LAYERON_SECRET_AUTH_SESSION_KEY", annotation("LAYERON_SECRET_AUTH_SESSION_KEY"))
}
