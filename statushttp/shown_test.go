package statushttp_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/statushttp"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// pageOf returns the page that a browser gets.
func pageOf(app *secret.App) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "/internal/secrets", nil)
	request.Header.Set("Accept", browser)
	answer := httptest.NewRecorder()
	statushttp.Handler(app).ServeHTTP(answer, request)
	return answer
}

// TestPageShowsNoValue: neither a good value nor a part of a faulty text is in
// the page, at any time of an App's life.
func TestPageShowsNoValue(t *testing.T) {
	const a, b = "correct-horse-battery", "<b>staple & \"sons\"</b>"
	texts := []string{
		a, `{"current":"v2","versions":{"v1":{"value":"` + a + `"},"v2":{"value":"` + b[:2] + `"}}}`,
		"current=v1;v1=" + a, "current=v9;v1=" + a + ";v2=" + b, " " + a + " ", `{"current":"` + a, "current=v1;v1=;x=" + a,
		"current=v1;v1=" + a + ";v1=" + b, b, strings.Repeat(a, 9000), "",
	}
	m := secret.NewMemory(nil)
	app := secret.NewApp(secret.AppOptions{Store: m, Refresh: -1, Logger: slog.New(slog.DiscardHandler)})
	name := func(i int) string { return fmt.Sprint("s", i) }
	for i := range texts {
		app.Use(secret.Static(secret.Options{Name: name(i)}), secret.Random(secret.Options{Name: "r" + name(i), Bytes: 32}))
	}
	set := func(text func(i int) string) {
		for i := range texts {
			m.Set("$SECRET.default."+name(i), text(i))
			m.Set("$SECRET.default.r"+name(i), text(i))
		}
	}
	none := func() {
		t.Helper()
		body := pageOf(app).Body.String()
		require.Contains(t, body, "$SECRET.default.s0")
		for _, text := range []string{body, html.UnescapeString(body)} {
			for _, value := range append(texts[:len(texts)-1:len(texts)-1], a, b, "horse", "staple") {
				for _, form := range []string{value, url.QueryEscape(value), base64.StdEncoding.EncodeToString([]byte(value))} {
					require.False(t, strings.Contains(text, form), "a value is in the page")
				}
			}
		}
	}
	none()
	set(func(i int) string { return texts[i] })
	require.Error(t, app.Start(t.Context()))
	none()
	set(func(int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))) })
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	none()
	set(func(i int) string { return texts[i] })
	require.Error(t, app.Refresh(t.Context()))
	none()
	m.Fail(errors.New("no route to host"))
	require.Error(t, app.Refresh(t.Context()))
	none()
}

// TestPageHasTheStatusCode: a monitor sees the same in both forms.
func TestPageHasTheStatusCode(t *testing.T) {
	app, m := started(t)
	require.Equal(t, http.StatusOK, pageOf(app).Code)
	m.Delete("$SECRET.billing.stripe")
	require.Error(t, app.Refresh(t.Context()))
	answer := pageOf(app)
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Equal(t, "text/html; charset=utf-8", answer.Header().Get("Content-Type"))
	require.Equal(t, "Accept", answer.Header().Get("Vary"))
}

func ExampleHandler_browser() {
	key := secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})
	store := secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "current=v2;v1=old;v2=new"})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(key)
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()

	request := httptest.NewRequest(http.MethodGet, "/internal/secrets", nil)
	request.Header.Set("Accept", "text/html,*/*;q=0.8") // as a browser does
	answer := httptest.NewRecorder()
	statushttp.Handler(app).ServeHTTP(answer, request)
	fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	fmt.Println(strings.Contains(answer.Body.String(), "<title>1 secret: OK</title>"))
	// Output:
	// 200 text/html; charset=utf-8
	// true
}
