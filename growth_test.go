package secret_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/growth"
)

// grown returns a document of n versions, as JSON and in the compact form. Its
// times have the same length for every n.
func grown(n int) (asJSON, asCompact string) {
	var j, c strings.Builder
	fmt.Fprintf(&j, `{"current":"v%06d","versions":{`, n)
	fmt.Fprintf(&c, `current=v%06d`, n)
	for i := 1; i <= n; i++ {
		from := time.Date(2001, 1, i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
		if i > 1 {
			j.WriteByte(',')
		}
		fmt.Fprintf(&j, `"v%06d":{"value":"value-%d","activeFrom":%q}`, i, i, from)
		fmt.Fprintf(&c, ";v%06d=value-%d;v%06d_active=%s", i, i, i, from)
	}
	return j.String() + "}}", c.String()
}

func TestGrowthOfParse(t *testing.T) {
	for name, text := range map[string]func(n int) string{
		"JSON":    func(n int) string { text, _ := grown(n); return text },
		"compact": func(n int) string { _, text := grown(n); return text },
	} {
		growth.Law(t, "Parse, "+name, growth.Sizes(), func(n int) func() {
			text := text(n)
			return func() {
				_, err := secret.Parse(text)
				require.NoError(t, err)
			}
		})
	}
}

// grownApp returns an App of n secrets of three versions each. It does not
// refresh: that would allocate beside what is measured.
func grownApp(texts map[string]string, n int) *secret.App {
	app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(texts), Refresh: -1})
	for i := range n {
		app.Use(secret.Static(secret.Options{Namespace: "growth", Name: fmt.Sprintf("key-%06d", i)}))
	}
	return app
}

func grownTexts(n int) map[string]string {
	texts := map[string]string{}
	for i := range n {
		text, _ := grown(3)
		texts[fmt.Sprintf("$SECRET.growth.key-%06d", i)] = text
	}
	return texts
}

func TestGrowthOfStart(t *testing.T) {
	growth.Law(t, "Start", growth.Sizes(), func(n int) func() {
		texts := grownTexts(n)
		return func() {
			app := grownApp(texts, n)
			require.NoError(t, app.Start(context.Background()))
			require.NoError(t, app.Close())
		}
	})
}

func TestGrowthOfStatus(t *testing.T) {
	growth.Law(t, "Status", growth.Sizes(), func(n int) func() {
		app := grownApp(grownTexts(n), n)
		require.NoError(t, app.Start(context.Background()))
		t.Cleanup(func() { _ = app.Close() })
		return func() { require.Len(t, app.Status().Secrets, n) }
	})
}
