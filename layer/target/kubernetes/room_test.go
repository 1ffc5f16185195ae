package kubernetes

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
)

// A value without room is refused alone, before anything is written. A smaller
// value makes room.
func TestOnlyAValueWithoutRoomIsRefused(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	full := func(spare int) string {
		return `{"metadata":{"uid":"u"},"data":{"LARGE":"` + base64.StdEncoding.EncodeToString(make([]byte, 1000)) +
			`","other":"` + base64.StdEncoding.EncodeToString(make([]byte, maxValues-1000-spare)) + `"}}`
	}
	noted := func(spare int) string {
		return `{"metadata":{"uid":"u","annotations":{"other":"` + text(maxAnnotations-len("other")-spare) + `"}}}`
	}
	oneNote := len(annotation("A")) + len(noteText)
	for name, c := range map[string]struct {
		object  string
		items   []driver.Item
		without []string
		want    string
	}{
		"all fit exactly":              {full(10), []driver.Item{item("A", text(4)), item("B", text(6))}, nil, ""},
		"the smaller one fits":         {full(9), []driver.Item{item("A", text(6)), item("B", text(4))}, []string{"A"}, "would have 1048577 bytes, and a Secret may have 1 MiB"},
		"none fits":                    {full(3), []driver.Item{item("A", text(6)), item("B", text(4))}, []string{"A", "B"}, "several objects"},
		"a smaller value makes room":   {full(0), []driver.Item{item("A", text(900)), item("LARGE", text(100))}, nil, ""},
		"it makes room for some":       {full(0), []driver.Item{item("A", text(901)), item("B", text(20)), item("LARGE", text(100))}, []string{"A"}, "several objects"},
		"a full object takes the same": {full(0), []driver.Item{item("LARGE", text(1000))}, nil, ""},
		"a note more than fits":        {noted(2*oneNote - 1), []driver.Item{item("A", "1"), item("B", "22")}, []string{"B"}, "an object may have 256 KiB"},
		"as many notes as fit":         {noted(2 * oneNote), []driver.Item{item("A", "1"), item("B", "22")}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, p := newFake(t)
			f.put("app", c.object)
			errs := p.Publish(t.Context(), c.items)
			if c.without == nil {
				require.Nil(t, errs)
			} else {
				require.Len(t, errs, len(c.items))
			}
			o, _ := f.object("app")
			for i, item := range c.items {
				if !slices.Contains(c.without, item.Name) {
					require.Equal(t, item.Text.Reveal(), string(o.Data[item.Name]))
					continue
				}
				require.ErrorIs(t, errs[i], driver.ErrNotApplied)
				require.ErrorIs(t, errs[i], secret.ErrTooLarge)
				require.ErrorContains(t, errs[i], c.want)
				require.NotContains(t, o.Data, item.Name)
			}
		})
	}
}

// Publish refuses no value that Fits allowed.
func TestFitsIsNeverLaxerThanPublish(t *testing.T) {
	f, p := newFake(t)
	f.put("app", `{"metadata":{"uid":"u"}}`)
	var items []driver.Item
	sizes := map[string]int{}
	for i := range 2000 {
		one := item(fmt.Sprintf("LAYERON_SECRET_NAMESPACE_NAME_%d", i), strings.Repeat("x", i%900))
		one.Text = driver.NewValue("1" + one.Text.Reveal())
		items = append(items, one)
		sizes[one.Name] = len(one.Text.Reveal())
	}
	err := p.Fits(t.Context(), sizes)
	var without driver.NoRoom
	require.True(t, errors.As(err, &without))
	require.ErrorIs(t, err, secret.ErrTooLarge)
	require.Equal(t, []string{"GET"}, f.methods(), "nothing is written")
	items = slices.DeleteFunc(items, func(i driver.Item) bool { return without[i.Name] != nil })
	require.Greater(t, len(items), 1400)
	require.Nil(t, p.Publish(t.Context(), items))
	// Each can be replaced, all at once.
	maps.DeleteFunc(sizes, func(name string, _ int) bool { return without[name] != nil })
	require.NoError(t, p.Fits(t.Context(), sizes))
	require.Nil(t, p.Publish(t.Context(), items))
}
