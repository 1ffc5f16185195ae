package statushttp

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// shown returns the page of a status.
func shown(t testing.TB, st secret.Status) (string, *httptest.ResponseRecorder) {
	t.Helper()
	answer := httptest.NewRecorder()
	writePage(answer, st)
	return answer.Body.String(), answer
}

var (
	styles = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	tags   = regexp.MustCompile(`<[^\s/>]+`)
	spaces = regexp.MustCompile(`\s+`)
	markup = regexp.MustCompile(`(?s)<style>.*?</style>|<[^>]*>`)
)

// words returns the text of a page.
func words(page string) string {
	return spaces.ReplaceAllString(html.UnescapeString(markup.ReplaceAllString(page, " ")), " ")
}

// TestPageAllowsItsStyleAlone: the policy names the digest of the style, and
// permits no script, no picture and no request.
func TestPageAllowsItsStyleAlone(t *testing.T) {
	for _, scene := range scenes {
		body, answer := shown(t, scene.status)
		style := styles.FindAllStringSubmatch(body, -1)
		require.Len(t, style, 1)
		sum := sha256.Sum256([]byte(style[0][1]))
		require.Equal(t, http.Header{
			"Content-Type": {"text/html; charset=utf-8"},
			"Content-Security-Policy": {"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
				"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
			"Referrer-Policy":              {"no-referrer"},
			"Cross-Origin-Resource-Policy": {"same-origin"},
			"X-Content-Type-Options":       {"nosniff"},
			"Cache-Control":                {"no-store"},
			"Content-Length":               answer.Result().Header["Content-Length"],
		}, answer.Header())
		require.Equal(t, map[bool]int{true: 200, false: 503}[scene.status.OK], answer.Code)
	}
}

// TestPageHasNoMarkupOfOthers: texts of a store, a declaration or an error are
// shown as they are and change nothing.
func TestPageHasNoMarkupOfOthers(t *testing.T) {
	known := map[string]bool{}
	body, _ := shown(t, scenes[1].status)
	for _, tag := range tags.FindAllString(body, -1) {
		known[tag] = true
	}
	require.NotContains(t, known, "<script")
	calm, _ := shown(t, status(wellOne(), manyVersions()))
	require.Zero(t, strings.Count(calm, "://"), "the page refers to nothing outside")

	body, _ = shown(t, status(hostileOne(), warned()))
	for _, tag := range tags.FindAllString(body, -1) {
		require.True(t, known[tag], tag)
	}
	for _, r := range body {
		require.True(t, r == '\n' || r >= ' ' && r != '\u007f', "%U", r)
		require.NotContains(t, "\u202e\u2066\u200b", string(r))
	}
	require.Contains(t, words(body), `Last error: `+strings.Repeat("x", 3000)+`</style><script>alert(1)</script>`+
		`<img src=x onerror=alert(1)>"'&\u202e\u2066\u001b[2J\u0000\u200b`)
}

// TestPageSaysEachState: each state is in words, in the order of urgency.
func TestPageSaysEachState(t *testing.T) {
	for _, c := range []struct {
		name   string
		status secret.Status
		want   []string
		not    string
	}{
		{"well", status(wellOne(), announcing()), []string{"2 secrets: all OK", "Status of 2026-11-24 10:50:14 UTC", "OK (2)",
			"$SECRET.billing.session-key OK random LAYERON_SECRET_BILLING_SESSION_KEY json " +
				"confirmed 12 s ago (2026-11-24 10:50:02 UTC) next rotation 2027-02-14",
			"expired 2026-09-25", "accepted until 2026-12-14", "current, no end yet", "announced for 2026-11-25"}, "Last error"},
		{"one", status(wellOne()), []string{"1 secret: OK"}, "Reads fail"},
		{"optional and not set", status(wellOne(), unsetOne()), []string{"1 of 2 secrets not set (optional), no problems",
			"Not set (1)", "OK (1)", "$SECRET.billing.webhook-of-a-partner not set", "optional", "confirmed 12 s ago"},
			"Reads fail"},
		{"not read yet", status(wellOne(), unreadOne()), []string{"1 of 2 secrets not read yet, no problems",
			"Not read yet (1)", "OK (1)", "$SECRET.billing.webhook-of-a-partner not read yet"}, "not set"},
		{"not set and out of reach", status(unsetAndStale()), []string{"Stale (1)",
			"33 min ago; the secret was not set then, and reads return ErrNotFound", "Last error"}, "last good document"},
		{"stale", status(wellOne(), staleOne()), []string{"1 of 2 secrets is stale", "Stale (1)", "OK (1)",
			"$SECRET.billing.stripe-secret stale", "confirmed 34 min ago",
			"Stale: loads have failed since 2026-11-24 10:17:14 UTC, 33 min ago; reads return the last good document",
			"Last error: load $SECRET.billing.stripe-secret (https://vault.example/v1/billing): dial tcp"}, "Needs a person"},
		{"from the cache", status(cachedOne()), []string{"1 of 1 secrets is stale", "confirmed 34 min ago",
			"From the cache: the store has been out of reach since before Start; it confirmed the document 34 min ago"},
			"all OK"},
		{"needs a person", status(warned(), staleOne()), []string{"1 of 2 secrets needs a person", "Needs a person (1)",
			"Stale (1)", "Warning: the current version expires within a week and has no successor (v3)",
			"current until 2026-11-27"}, "all OK"},
		{"failing", status(wellOne(), staleOne(), warned(), failingOne()), []string{"reads fail for 1 of 4 secrets",
			"Reads fail (1)", "Needs a person (1)", "Stale (1)", "OK (1)", "$SECRET.billing.postgres-password reads fail",
			"Reads fail: AppOptions.MaxStale has passed; loads have failed since 2026-11-23 08:40:38 UTC, 26 h ago"}, "all OK"},
		{"never loaded", status(neverLoaded()), []string{"$SECRET.auth.oauth2-client never loaded",
			"Reads fail: no document has been loaded yet", "not found", "no versions yet"}, "confirmed"},
		{"none", status(), []string{"no secrets", "No secrets: App.Use was not called."}, "overlap"},
		{"no App", new(secret.App).Status(), []string{"no App"}, "all OK"},
		{"many versions", status(manyVersions()), []string{"34 older versions", "v1 ", "v40 "}, "gone, older"},
		{"an id of any letters", status(foreign()), []string{" ключ-1 ", "current until 2026-11-25", ` \u200b-2 `}, " ? "},
		{"the current version has expired", status(ended()), []string{" current, expired 2026-11-22 "}, "current until"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, _ := shown(t, c.status)
			text := words(body)
			at := -1
			for _, want := range c.want {
				require.True(t, strings.Contains(text, want), "%s\nis not in\n%s", want, text)
			}
			require.NotContains(t, text, c.not)
			for _, title := range []string{`id="failing"`, `id="person"`, `id="stale"`, `id="unset"`, `id="ok"`} {
				if i := strings.Index(body, title); i >= 0 {
					require.Greater(t, i, at, "worst first")
					at = i
				}
			}
		})
	}
}

// foreign returns a secret whose ids are not ASCII.
func foreign() secret.SecretStatus {
	s := oneOf("foreign")
	s.Current = "ключ-1"
	s.Versions = []secret.Life{{ID: "ключ-1", ActiveFrom: days(-2), ExpiresAt: days(1)}, {ID: "\u200b-2", ActiveFrom: days(-3)}}
	return s
}

// ended returns a secret whose current version has expired.
func ended() secret.SecretStatus {
	s := oneOf("ended")
	s.Current = "v1"
	s.Versions = []secret.Life{{ID: "v1", ActiveFrom: days(-90), ExpiresAt: days(-2)}}
	return s
}

// TestPageShowsTheCurrentVersion: it is not folded, however many versions are
// newer.
func TestPageShowsTheCurrentVersion(t *testing.T) {
	for _, current := range []string{"v1", "v17", "v34", "v35", "v40"} {
		s := manyVersions()
		s.Current = current
		body, _ := shown(t, status(s))
		folded := body[strings.Index(body, "<details>"):strings.Index(body, "</details>")]
		lane := `is-current"><span class="id">` + current + `</span>`
		require.Equal(t, 1, strings.Count(body, lane))
		require.NotContains(t, folded, lane)
	}
}

// TestPageOfThousandSecrets stays small enough for a phone.
func TestPageOfThousandSecrets(t *testing.T) {
	body, _ := shown(t, thousand())
	require.Equal(t, 1000, strings.Count(body, "<article"))
	require.Less(t, len(body), 3_000_000)
}

// TestAnnouncedIsLaterThanCurrent: a version that begins after the current one,
// as documents define it.
func TestAnnouncedIsLaterThanCurrent(t *testing.T) {
	for _, c := range []struct {
		name, want string
		versions   []secret.Life
	}{
		{"none", "", []secret.Life{{ID: "v1"}, {ID: "v2", ActiveFrom: days(-1)}}},
		{"ahead", "v3", []secret.Life{{ID: "v2", ActiveFrom: days(-1)}, {ID: "v3", ActiveFrom: days(1)}}},
		{"due", "v3", []secret.Life{{ID: "v2", ActiveFrom: days(-9)}, {ID: "v3", ActiveFrom: days(-1)}}},
		{"expired", "", []secret.Life{{ID: "v2", ActiveFrom: days(-9)},
			{ID: "v3", ActiveFrom: days(-5), ExpiresAt: days(-1)}}},
		{"older", "", []secret.Life{{ID: "v1", ActiveFrom: days(-30)}, {ID: "v2", ActiveFrom: days(-9)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, livesOf(secret.SecretStatus{Current: "v2", Versions: c.versions}, noon).Pending)
		})
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0 s ago", 119 * time.Second: "119 s ago",
		2 * time.Minute: "2 min ago", 119 * time.Minute: "119 min ago", 2 * time.Hour: "2 h ago", 47 * time.Hour: "47 h ago",
		48 * time.Hour: "2 days ago"} {
		require.Equal(t, want, ago(d))
	}
}

func BenchmarkPage(b *testing.B) {
	st := thousand()
	for b.Loop() {
		writePage(httptest.NewRecorder(), st)
	}
}
