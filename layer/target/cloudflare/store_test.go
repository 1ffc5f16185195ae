package cloudflare

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

func TestPublishStoresEveryCharacter(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	s, _ := open(t, o)
	ctx := t.Context()
	fake.Put("somebody-elses", "x", "not ours")

	texts := map[string]string{
		"lo_plain": "a", "lo_escapes": "<&>\"\\\u2028\u0000\n\U0001F511 = %s \x7f", "lo_dots-and_dashes": "a.b#c|d@e*f?",
		"lo_longest": strings.Repeat("é", largestValue/2), "lo_escaped": strings.Repeat("<", largestValue),
	}
	var list []driver.Item
	for name, text := range texts {
		list = append(list, driver.Item{Name: name, Text: driver.NewValue(text), Note: "sv1 gen=1 of " + name})
	}
	published(t, s, list...)
	for name, text := range texts {
		stored, ok := fake.Value(name)
		require.True(t, ok, name)
		require.True(t, stored == text, "%s is stored as it is", name)
	}

	found, err := s.Inspect(ctx, append(namesOf(list), "lo_missing"))
	require.NoError(t, err)
	require.Len(t, found, len(list))
	for name, p := range found {
		require.Equal(t, "sv1 gen=1 of "+name, p.Note)
		require.False(t, p.Pending)
		require.Regexp(t, `^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`, p.Modified)
	}

	// Text and note are replaced together, and modified changes.
	fake.Forget()
	published(t, s, driver.Item{Name: "lo_plain", Text: driver.NewValue("b"), Note: "sv1 gen=2"})
	require.Equal(t, []string{"PATCH"}, methods(fake.Requests()))
	again, err := s.Inspect(ctx, []string{"lo_plain"})
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Equal(t, "sv1 gen=2", again["lo_plain"].Note)
	require.NotEqual(t, found["lo_plain"].Modified, again["lo_plain"].Modified)
	stored, _ := fake.Value("lo_plain")
	require.Equal(t, "b", stored)

	// A change by hand is detected. A deleted secret is absent, and can be created
	// again.
	fake.Put("lo_plain", "c", "sv1 gen=2")
	byHand, err := s.Inspect(ctx, []string{"lo_plain"})
	require.NoError(t, err)
	require.NotEqual(t, again["lo_plain"].Modified, byHand["lo_plain"].Modified)
	fake.Drop("lo_plain")
	gone, err := s.Inspect(ctx, []string{"lo_plain"})
	require.NoError(t, err)
	require.Empty(t, gone)
	published(t, s, driver.Item{Name: "lo_plain", Text: driver.NewValue("d"), Note: "sv1 gen=3"})
	back, err := s.Inspect(ctx, []string{"lo_plain", "somebody-elses"})
	require.NoError(t, err)
	require.Equal(t, "sv1 gen=3", back["lo_plain"].Note)
	require.Equal(t, "not ours", back["somebody-elses"].Note)
}

// Cloudflare's rate limit counts requests.
func TestRequestsAreFew(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	ctx := t.Context()
	list := items(90)

	apply, _ := open(t, o)
	found, err := apply.Inspect(ctx, namesOf(list))
	require.NoError(t, err)
	require.Empty(t, found)
	require.NoError(t, apply.Check(ctx, namesOf(list)))
	published(t, apply, list...)
	found, err = apply.Inspect(ctx, namesOf(list))
	require.NoError(t, err)
	require.Len(t, found, 90)
	require.Equal(t, []string{"GET", "GET", "GET", "POST", "GET"}, methods(fake.Requests()),
		"stores, secrets, quota, create, secrets")

	fake.Forget()
	nothingDue, _ := open(t, o)
	_, err = nothingDue.Inspect(ctx, namesOf(list))
	require.NoError(t, err)
	require.Equal(t, []string{"GET", "GET"}, methods(fake.Requests()))

	fake.Forget()
	o.StoreID = fake.StoreID()
	given, _ := open(t, o)
	_, err = given.Inspect(ctx, namesOf(list))
	require.NoError(t, err)
	require.Equal(t, []string{"GET"}, methods(fake.Requests()))

	fake.Forget()
	_, err = given.Inspect(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, given.Publish(ctx, nil))
	require.Empty(t, given.Remove(ctx, nil))
	require.Empty(t, fake.Requests(), "nothing to do")
}

func TestBatchFitsAMegabyte(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{Quota: 500})
	s, _ := open(t, o)
	large := items(40)
	for i := range large {
		large[i].Text = driver.NewValue(strings.Repeat("x", largestValue))
	}
	published(t, s, large...)
	posts := 0
	for _, m := range methods(fake.Requests()) {
		if m == "POST" {
			posts++
		}
	}
	require.Equal(t, 3, posts)
	require.Len(t, fake.Names(), 40)

	fake.Forget()
	published(t, s, items(250)[40:]...)
	require.Equal(t, []string{"POST", "POST", "POST"}, methods(fake.Requests()), "100 secrets each")
	require.Len(t, fake.Names(), 250)
}

func TestInspectReadsEveryPage(t *testing.T) {
	for _, tc := range []struct {
		name     string
		n        int
		o        cloudflarefake.Options
		requests int
	}{
		{"one page", 90, cloudflarefake.Options{}, 1},
		{"a full page", 100, cloudflarefake.Options{}, 1},
		{"pages of 25", 90, cloudflarefake.Options{PageCap: 25}, 4},
		{"full pages of 25", 100, cloudflarefake.Options{PageCap: 25}, 4},
		{"no totals", 90, cloudflarefake.Options{NoTotals: true}, 1},
		{"pages of 25 without totals", 100, cloudflarefake.Options{NoTotals: true, PageCap: 25}, 5},
		{"an empty store", 0, cloudflarefake.Options{}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, o := start(t, tc.o)
			list := items(tc.n)
			for _, i := range list {
				fake.Put(i.Name, "x", i.Note)
			}
			o.StoreID = fake.StoreID()
			s, _ := open(t, o)
			found, err := s.Inspect(t.Context(), append(namesOf(list), "lo_missing"))
			require.NoError(t, err)
			require.Len(t, found, tc.n)
			require.Len(t, fake.Requests(), tc.requests)

			// The context applies to every page.
			if tc.requests > 1 {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				fake.Forget()
				fake.Fail(cloudflarefake.Fault{Applied: cloudflarefake.Now, Before: cancel})
				_, err := s.Inspect(ctx, namesOf(list))
				require.ErrorIs(t, err, context.Canceled)
				require.Len(t, fake.Requests(), 1)
			}
		})
	}
}

func TestPendingValueIsReported(t *testing.T) {
	_, o := start(t, cloudflarefake.Options{Pending: 2})
	s, _ := open(t, o)
	published(t, s, item(0))
	for _, pending := range []bool{true, true, false} {
		found, err := s.Inspect(t.Context(), []string{item(0).Name})
		require.NoError(t, err)
		require.Equal(t, pending, found[item(0).Name].Pending)
	}
}

func TestStoreID(t *testing.T) {
	for _, tc := range []struct {
		name   string
		stores []string
		err    string
	}{
		{"the only one", []string{"one"}, ""},
		{"none", []string{}, "no secrets store: make one with `wrangler"},
		{"several", []string{"one", "two"}, "several secrets stores, so give the id of one: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, o := start(t, cloudflarefake.Options{Stores: tc.stores})
			s, _ := open(t, o)
			id, err := s.ID(t.Context())
			if tc.err == "" {
				require.NoError(t, err)
				require.Equal(t, fake.StoreID(), id)
				return
			}
			require.ErrorContains(t, err, tc.err)
			errs := s.Publish(t.Context(), items(1))
			require.ErrorIs(t, errs[0], driver.ErrNotApplied)
			if len(tc.stores) > 1 {
				require.ErrorContains(t, err, fake.StoreID()+" (one), ")
				o.StoreID = fake.StoreID()
				s, _ = open(t, o)
				published(t, s, items(1)...)
			}
		})
	}
}

func TestScopesAreSetByEveryWrite(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	s, _ := open(t, o)
	published(t, s, item(0))
	require.Equal(t, []string{"workers"}, fake.Scopes(item(0).Name))
	o.Scopes = []string{"workers", "containers"}
	s, _ = open(t, o)
	published(t, s, item(0), item(1))
	require.Equal(t, o.Scopes, fake.Scopes(item(0).Name), "replaced")
	require.Equal(t, o.Scopes, fake.Scopes(item(1).Name), "created")
}

// Such items are refused before a request, and the other items are sent.
func TestWrongItemsAreRefused(t *testing.T) {
	long := strings.Repeat("Zt9qWm4x", largestValue/8)
	for _, tc := range []struct {
		name string
		item driver.Item
		err  string
	}{
		{"a path", driver.Item{Name: "../../x", Text: driver.NewValue(value)}, "cannot be a secret's name"},
		{"no name", driver.Item{Text: driver.NewValue(value)}, "cannot be a secret's name"},
		{"an empty value", driver.Item{Name: "n"}, "the value of n is empty"},
		{"too long", driver.Item{Name: "n", Text: driver.NewValue(long + "x")},
			"65537 bytes and the Secrets Store takes at most 65536"},
		{"too long in bytes", driver.Item{Name: "n", Text: driver.NewValue(strings.Repeat("é", largestValue/2+1))},
			"65538 bytes"},
		{"not UTF-8", driver.Item{Name: "n", Text: driver.NewValue("Zt9qWm4xKp7R\xff")}, "not UTF-8"},
		{"a long note", driver.Item{Name: "n", Text: driver.NewValue(value), Note: strings.Repeat("x", 201)}, "0 to 200"},
		{"a note beyond ASCII", driver.Item{Name: "n", Text: driver.NewValue(value), Note: "é"}, "ASCII"},
		{"twice", item(0), "is given twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, o := start(t, cloudflarefake.Options{})
			s, _ := open(t, o)
			errs := s.Publish(t.Context(), []driver.Item{item(0), tc.item, item(1)})
			require.Len(t, errs, 3)
			require.NoError(t, errs[0])
			require.NoError(t, errs[2])
			require.ErrorContains(t, errs[1], tc.err)
			require.ErrorIs(t, errs[1], driver.ErrNotApplied)
			quiet(t, errs[1], tc.item.Text.Reveal()[:min(12, len(tc.item.Text.Reveal()))])
			require.Equal(t, []string{item(0).Name, item(1).Name}, fake.Names())
		})
	}
}

func TestRemoveDeletesTheNamedAlone(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	s, _ := open(t, o)
	published(t, s, items(3)...)
	require.Empty(t, s.Remove(t.Context(), []string{item(0).Name, "lo_missing", item(0).Name}))
	require.Equal(t, []string{item(1).Name, item(2).Name}, fake.Names())
	published(t, s, item(0))
	require.Equal(t, []string{item(1).Name, item(2).Name, item(0).Name}, fake.Names(), "it is known to be gone")
	require.Empty(t, s.Remove(t.Context(), []string{item(0).Name}))

	// Another client deletes it between the list and the request.
	fake.Fail(cloudflarefake.Fault{Method: http.MethodDelete, Applied: cloudflarefake.Twice})
	require.Empty(t, s.Remove(t.Context(), []string{item(1).Name}))
	require.Equal(t, []string{item(2).Name}, fake.Names())

	fake.Fail(cloudflarefake.Fault{Method: http.MethodDelete, Status: 500})
	errs := s.Remove(t.Context(), []string{"lo_missing", item(2).Name})
	require.Len(t, errs, 2)
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "delete "+item(2).Name+": status 500")
	require.NotErrorIs(t, errs[1], driver.ErrNotApplied)
	require.Equal(t, []string{item(2).Name}, fake.Names())

	published(t, s, item(0), item(2))
	require.Equal(t, []string{item(2).Name, item(0).Name}, fake.Names())
}
