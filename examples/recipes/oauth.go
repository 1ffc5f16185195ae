package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/layeron-hq/secret"
)

// recipe: oauth

var oauthSecret = secret.Static(secret.Options{Namespace: "crm", Name: "oauth-client-secret"})

// tokenSource keeps an access token until a minute before it expires.
type tokenSource struct {
	client             *http.Client
	endpoint, clientID string

	mu    sync.Mutex
	token string
	until time.Time
}

func (s *tokenSource) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.until) {
		return s.token, nil
	}
	clientSecret, err := oauthSecret.Current().Text()
	if err != nil {
		return "", err
	}
	form := strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, form)
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(s.clientID), url.QueryEscape(clientSecret)) // RFC 6749, section 2.3.1
	response, err := s.client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("fetch an access token: %s", response.Status)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("fetch an access token: %w", err)
	}
	if answer.AccessToken == "" {
		return "", errors.New("fetch an access token: the answer has none")
	}
	s.token, s.until = answer.AccessToken, time.Now().Add(time.Duration(answer.ExpiresIn)*time.Second-time.Minute)
	return s.token, nil
}

// end
