package recipes

import (
	"net/http"

	"github.com/layeron-hq/secret"
)

// recipe: bearer

var apiToken = secret.Static(secret.Options{Namespace: "crm", Name: "api-token"})

// bearer adds the token to each request for one origin.
type bearer struct {
	origin string // "https://api.example.com"
	next   http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme+"://"+r.URL.Host != b.origin {
		return b.next.RoundTrip(r) // a redirect to another server
	}
	token, err := apiToken.Current().Text()
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	r = r.Clone(r.Context()) // a RoundTripper must not change its request
	r.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(r)
}

// end
