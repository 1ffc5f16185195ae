package driver_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
)

func TestNothingShowsAValue(t *testing.T) {
	const text = "sk_live_QkFzZTY0dGV4dA"
	value := driver.NewValue(text)
	for name, v := range map[string]any{
		"Value": value,
		"Item":  driver.Item{Name: "n", Text: value, Note: "note"},
		"Made":  driver.Made{Value: value, ID: "id"},
	} {
		t.Run(name, func(t *testing.T) {
			for how, shown := range map[string]any{
				"itself":                 v,
				"in a slice":             []any{v},
				"in a map":               map[string]any{"k": v},
				"in an exported field":   struct{ V any }{v},
				"in an unexported field": struct{ v any }{v},
			} {
				require.Empty(t, redacttest.Check(shown, text), how)
			}
			defer func() {
				p := recover()
				require.Empty(t, redacttest.Find(fmt.Sprintf("%v %+v %#v", p, p, p), text))
			}()
			panic(v)
		})
	}
	require.Empty(t, redacttest.Check(struct{ v driver.Value }{value}, text))
	require.Empty(t, redacttest.Check(&struct{ v driver.Item }{driver.Item{Text: value}}, text))
}

func TestRevealReturnsTheText(t *testing.T) {
	require.Equal(t, "text", driver.NewValue("text").Reveal())
	require.Equal(t, "[value]", driver.NewValue("text").String())
	require.Empty(t, driver.Value{}.Reveal())
	require.Equal(t, driver.Value{}, driver.NewValue(""))
	require.Equal(t, "[no value]", driver.Value{}.String())
}
