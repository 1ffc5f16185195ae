package statushttp

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

var noon = time.Date(2026, 11, 24, 10, 50, 14, 0, time.UTC)

func days(n float64) time.Time { return noon.Add(time.Duration(n * 24 * float64(time.Hour))) }

const hostileText = `</style><script>alert(1)</script><img src=x onerror=alert(1)>"'&` + "\u202e\u2066\x1b[2J\x00\u200b"

// oneOf returns a secret with a version that is gone, one that is accepted and
// the current one.
func oneOf(name string) secret.SecretStatus {
	a := secret.Address{Namespace: "billing", Name: name}
	return secret.SecretStatus{Address: a, Binding: a.Binding(), Kind: secret.KindRandom, Format: secret.FormatJSON,
		Current: "v4", LastSuccess: noon.Add(-12 * time.Second), Versions: []secret.Life{
			{ID: "v2", ActiveFrom: days(-180), ExpiresAt: days(-60)}, {ID: "v3", ActiveFrom: days(-90), ExpiresAt: days(20)},
			{ID: "v4", ActiveFrom: days(-8)}}}
}

// status returns the status of secrets.
func status(list ...secret.SecretStatus) secret.Status {
	st := secret.Status{Time: noon, OK: true, Secrets: list}
	for _, s := range list {
		st.OK = st.OK && !s.NeedsPerson
	}
	return st
}

func wellOne() secret.SecretStatus {
	s := oneOf("session-key")
	s.RotationDue = days(82)
	return s
}

// unsetOne is an optional secret that the store has no value of.
func unsetOne() secret.SecretStatus {
	a := secret.Address{Namespace: "billing", Name: "webhook-of-a-partner"}
	return secret.SecretStatus{Address: a, Binding: a.Binding(), Optional: true, LastSuccess: noon.Add(-12 * time.Second)}
}

// unreadOne was given to Use after Start, and nothing has read it.
func unreadOne() secret.SecretStatus {
	s := unsetOne()
	s.LastSuccess = time.Time{}
	return s
}

func unsetAndStale() secret.SecretStatus {
	s := unsetOne()
	s.StaleSince, s.LastError = noon.Add(-33*time.Minute), "load: no route to host"
	return s
}

func announcing() secret.SecretStatus {
	s := oneOf("webhook-key")
	s.Versions = append(s.Versions, secret.Life{ID: "v5", ActiveFrom: days(1)})
	return s
}

func staleOne() secret.SecretStatus {
	s := oneOf("stripe-secret")
	s.Kind, s.Format, s.Current = secret.KindStatic, secret.FormatPlain, "v1"
	s.Versions = []secret.Life{{ID: "v1"}}
	s.LastSuccess, s.StaleSince = noon.Add(-34*time.Minute), noon.Add(-33*time.Minute)
	s.LastError = "load $SECRET.billing.stripe-secret (https://vault.example/v1/billing): dial tcp 10.0.0.7:443: " +
		"connect: no route to host"
	return s
}

// cachedOne has been stale since the start.
func cachedOne() secret.SecretStatus {
	s := staleOne()
	s.CachedAt = s.LastSuccess
	return s
}

func warned() secret.SecretStatus {
	s := oneOf("tls-certificate")
	s.Current = "v3"
	s.Versions = s.Versions[:2]
	s.Versions[1].ExpiresAt = days(3)
	s.NeedsPerson = true
	s.Warnings = []secret.Warning{{Code: secret.WarnExpiresSoon, Version: "v3",
		Message: "the current version expires within a week and has no successor"}}
	return s
}

func failingOne() secret.SecretStatus {
	s := staleOne()
	s.Address.Name = "postgres-password"
	s.Failing, s.NeedsPerson = true, true
	s.LastSuccess, s.StaleSince = days(-1.1), days(-1.09)
	return s
}

func neverLoaded() secret.SecretStatus {
	a := secret.Address{Namespace: "auth", Name: "oauth2-client"}
	return secret.SecretStatus{Address: a, Binding: a.Binding(), Kind: secret.KindStatic, Failing: true, NeedsPerson: true,
		LastError: "load $SECRET.auth.oauth2-client (file /run/secrets/" + a.Binding() + "): not found"}
}

func hostileOne() secret.SecretStatus {
	s := failingOne()
	s.Address = secret.Address{Namespace: hostileText, Name: strings.Repeat("n", 300)}
	s.Binding, s.LastError = hostileText, strings.Repeat("x", 3000)+hostileText
	s.Versions = []secret.Life{{ID: hostileText}, {ID: strings.Repeat("v", 200), ActiveFrom: days(-3)}}
	s.Current = s.Versions[1].ID
	s.Warnings = []secret.Warning{{Code: hostileText, Version: hostileText, Message: hostileText}}
	return s
}

func manyVersions() secret.SecretStatus {
	s := oneOf("cookie-keys")
	s.Versions = nil
	for i := range 40 {
		s.Versions = append(s.Versions, secret.Life{ID: fmt.Sprint("v", i+1), ActiveFrom: days(float64(-7 * (40 - i)))})
	}
	s.Current = "v40"
	return s
}

func thousand() secret.Status {
	list := []secret.SecretStatus{failingOne(), warned(), staleOne()}
	for i := range 997 {
		list = append(list, oneOf(fmt.Sprintf("tenant-%03d", i)))
	}
	return status(list...)
}

var scenes = []struct {
	name   string
	status secret.Status
}{
	{"well", status(wellOne(), announcing())},
	{"every state", status(neverLoaded(), failingOne(), warned(), staleOne(), wellOne(), announcing(), manyVersions())},
	{"stale", status(staleOne(), wellOne())},
	{"never loaded", status(neverLoaded())},
	{"hostile", status(hostileOne(), wellOne())},
	{"unread", status(wellOne(), unreadOne())},
	{"unset", status(wellOne(), unsetOne(), staleOne(), unsetAndStale())},
	{"none", status()},
	{"thousand", thousand()},
}

// faults is a script that returns what is wrong with the page on this screen.
//
//go:embed testdata/faults.js
var faults string

// TestServerPage opens the page in a browser, on a phone and on a desk, light
// and dark. -artifacts keeps the pictures.
func TestServerPage(t *testing.T) {
	b := newTab(t)
	for _, scene := range scenes {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			writePage(w, scene.status)
		}))
		t.Cleanup(server.Close)
		widths := []int{375, 1280}
		if scene.name == "every state" {
			widths = []int{320, 375, 768, 801, 1000, 1089, 1280, 2560}
		}
		for _, width := range widths {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%d-%s", strings.ReplaceAll(scene.name, " ", "-"), width, scheme)
				b.screen(width, scheme)
				b.open(server.URL)
				b.picture(name)
				var found struct {
					Faults, Pairs  []string
					Secrets, Lanes int
					Paper          string
				}
				b.eval(faults, &found)
				require.Empty(t, found.Faults, name)
				require.Empty(t, b.logged, name)
				require.Len(t, scene.status.Secrets, found.Secrets, name)
				require.Equal(t, map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme], found.Paper,
					"the policy allows the style, and it follows the preference")
				if scene.name == "every state" {
					require.Greater(t, found.Lanes, 40)
					require.Greater(t, len(found.Pairs), 8, "the colours are seen: %s", found.Pairs)
				}
			}
		}
	}
}

// TestServerBrowserGetsThePage: the Accept of a real browser gets the page of a
// real App, whose values and stored texts are nowhere in it.
func TestServerBrowserGetsThePage(t *testing.T) {
	b := newTab(t)
	const value = "correct-horse-battery"
	store := secret.NewMemory(map[string]string{
		"$SECRET.auth.key":  "current=v2;v1=" + value + "1;v2=" + value + "2",
		"$SECRET.auth.text": value,
	})
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).
		Use(secret.Static(secret.Options{Namespace: "auth", Name: "key"}),
			secret.Static(secret.Options{Namespace: "auth", Name: "text"}))
	server := httptest.NewServer(Handler(app))
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	b.screen(375, "light")
	look := func(want string) {
		t.Helper()
		b.open(server.URL)
		var kind, dom string
		b.eval("document.contentType", &kind)
		b.eval("document.documentElement.outerHTML", &dom)
		require.Equal(t, "text/html", kind)
		require.True(t, strings.Contains(dom, want), "%s is not in the page", want)
		require.False(t, strings.Contains(dom, "horse"), "a value is in the page")
		require.Empty(t, b.logged)
	}
	look("no document has been loaded yet")
	require.NoError(t, app.Start(t.Context()))
	look("2 secrets: all OK")
	store.Set("$SECRET.auth.key", `{"current":"v1","versions":{"v1":{"value":"`+value)
	store.Set("$SECRET.auth.text", "current=v9;v1="+value)
	require.Error(t, app.Refresh(t.Context()))
	look("Last error:")
	store.Fail(errors.New(hostileText))
	require.Error(t, app.Refresh(t.Context()))
	look("&lt;script&gt;alert(1)")
}

// TestServerFaultsAreFound: the script finds each fault that it is there for.
func TestServerFaultsAreFound(t *testing.T) {
	b := newTab(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writePage(w, status(wellOne(), staleOne(), announcing()))
	}))
	t.Cleanup(server.Close)
	b.screen(375, "light")
	for _, c := range []struct{ name, spoil, want string }{
		{"pale text", `document.querySelector("h3").style.color = "#999"`, "contrast"},
		{"pale state", `document.querySelector(".state").style.background = "#7cc"`, "contrast"},
		{"pale bar", `document.querySelector(".lane .current").style.fill = "#9cf"`, "contrast"},
		{"pale axis", `document.querySelector(".narrow .base").style.stroke = "#ddd"`, "contrast"},
		{"too wide", `document.querySelector("article").style.width = "400px"`, "wider"},
		{"colour alone", `document.querySelector("article .state").textContent = ""`, "no word"},
		{"lane without a word", `document.querySelector(".label").textContent = ""`, "no word"},
		{"text over the line of now", `document.querySelector(".label").style.transform = "translate(-40px, 24px)"`,
			"crosses"},
		{"labels over one another", `document.querySelectorAll(".narrow text").forEach(e => e.setAttribute("x", "50%"))`,
			"overlaps"},
		{"script", `document.body.append(document.createElement("script"))`, "script"},
		{"handler", `document.querySelector("h1").setAttribute("onclick", "x()")`, "onclick"},
		{"address", `document.querySelector("h1").setAttribute("src", "https://example.com/")`, "src"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			b.open(server.URL)
			var found struct{ Faults []string }
			b.eval("void ("+c.spoil+"), "+faults, &found)
			require.Contains(t, strings.Join(found.Faults, "\n"), c.want)
		})
	}
}
