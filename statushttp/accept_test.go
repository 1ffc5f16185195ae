package statushttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/statushttp"
)

// TestAcceptChoosesThePage: a client gets the page only if it prefers HTML.
// Every client of earlier versions gets JSON as before.
func TestAcceptChoosesThePage(t *testing.T) {
	app, _ := started(t)
	const page, json = "text/html; charset=utf-8", "application/json; charset=utf-8"
	for _, c := range []struct {
		name   string
		accept []string
		want   string
	}{
		{"none", nil, json},
		{"empty", []string{""}, json},
		{"curl", []string{"*/*"}, json},
		{"Chrome",
			[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8," +
				"application/signed-exchange;v=b3;q=0.7"}, page},
		{"Safari", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, page},
		{"html", []string{"text/html"}, page},
		{"upper case", []string{"Text/HTML"}, page},
		{"spaces", []string{" \ttext/html \t; q=0.5 , application/json ; q=0.4"}, page},
		{"any text", []string{"text/*"}, page},
		{"json", []string{"application/json"}, json},
		{"plain", []string{"text/plain"}, json},
		{"a type that is not served", []string{"image/png"}, json},
		{"equal", []string{"text/html, application/json"}, json},
		{"equal, json first", []string{"application/json, text/html"}, json},
		{"html is named, the rest is not", []string{"text/html, */*"}, page},
		{"json is named, the rest is not", []string{"application/json, */*"}, json},
		{"any text or json", []string{"text/*, application/json"}, json},
		{"json preferred", []string{"text/html;q=0.5, application/json"}, json},
		{"json preferred by a little", []string{"text/html;q=0.899, application/json;q=0.9"}, json},
		{"html preferred by a little", []string{"text/html;q=0.9, application/json;q=0.899"}, page},
		{"html refused", []string{"text/html;q=0, */*"}, json},
		{"both refused", []string{"text/html;q=0, application/json;q=0"}, json},
		{"html refused, text is not", []string{"text/*, text/html;q=0.0"}, json},
		{"the specific range wins", []string{"text/html;q=0.2, text/*;q=0.9, application/json;q=0.5"}, json},
		{"json refused, the rest is not", []string{"*/*, application/json;q=0"}, page},
		{"Q in upper case", []string{"text/html;Q=0.1, application/json;q=0.2"}, json},
		{"two headers", []string{"application/json;q=0.1", "text/html"}, page},
		{"parameters before q", []string{"text/html;charset=utf-8;q=0.1, application/json;q=0.2"}, json},
		{"a comma within quotes", []string{`text/plain;a=",text/html,", application/json;q=0.1`}, json},
		{"a quote that does not end", []string{`text/plain;a="text/html, application/json`}, json},
		{"not a number", []string{"text/html;q=NaN"}, json},
		{"more than 1", []string{"text/html;q=2"}, json},
		{"less than 0", []string{"text/html;q=-1"}, json},
		{"four digits", []string{"text/html;q=0.0001"}, json},
		{"no q", []string{"text/html;q="}, json},
		{"one", []string{"text/html;q=1.000, application/json;q=0.999"}, page},
		{"commas alone", []string{",,;,"}, json},
		{"longer names", []string{"text/html5, xtext/html"}, json},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				request := httptest.NewRequest(method, "/", nil)
				request.Header["Accept"] = c.accept
				answer := httptest.NewRecorder()
				statushttp.Handler(app).ServeHTTP(answer, request)
				require.Equal(t, http.StatusOK, answer.Code)
				require.Equal(t, c.want, answer.Header().Get("Content-Type"))
				require.Equal(t, "Accept", answer.Header().Get("Vary"))
				require.Equal(t, "no-store", answer.Header().Get("Cache-Control"))
				require.Equal(t, "nosniff", answer.Header().Get("X-Content-Type-Options"))
			}
		})
	}
}
