package cloudflareapi

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/internal/loopback"
)

// Options set the account and the token. They print no token, under any verb.
type Options struct {
	// AccountID is the account's id: 32 hexadecimal digits. Required.
	AccountID string
	// Token is an API token. Required.
	Token driver.Value
	// BaseURL is the part of the API's address before /accounts. Empty:
	// https://api.cloudflare.com/client/v4. Plain http is allowed for this machine
	// only.
	BaseURL string
	// HTTPClient sends the requests. Its redirect policy is not used: no redirect
	// is followed, since it could send a value elsewhere. Nil: a new client, on
	// http.DefaultTransport.
	HTTPClient *http.Client
	// Timeout bounds one request. 0: 30 s.
	Timeout time.Duration
	// Patience bounds a call as a whole, with all its requests and with the pauses
	// that Cloudflare's rate limit requires. 0: 6 minutes, a little longer than the
	// rate limit's period.
	Patience time.Duration
}

var (
	// IDForm matches an id of the API. A part of a path must match it, because
	// cloudflare-go escapes nothing.
	IDForm    = lazyregexp.New(`^[0-9a-f]{32}$`)
	tokenForm = lazyregexp.New(`^[!-~]+$`)
)

func (o Options) check() error {
	switch {
	case o.AccountID == "":
		return errors.New("cloudflare: there is no account id: set CLOUDFLARE_ACCOUNT_ID")
	case !IDForm().MatchString(o.AccountID):
		return errors.New("cloudflare: the account id is not 32 hexadecimal digits in lower case: copy it from the " +
			"dashboard's overview page")
	case o.Token.Reveal() == "":
		return errors.New("cloudflare: there is no API token: set CLOUDFLARE_API_TOKEN")
	case !tokenForm().MatchString(o.Token.Reveal()):
		return errors.New("cloudflare: the API token contains white space or other characters that no token has: copy " +
			"it again")
	case o.Timeout < 0, o.Patience < 0:
		return errors.New("cloudflare: timeout or patience is below zero: give zero or more")
	}
	return checkBase(o.BaseURL)
}

// checkBase repeats no part of the address in its errors: it may contain a
// password.
func checkBase(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery ||
		u.Fragment != "":
		return errors.New("cloudflare: the API's base URL is not of the form https://host/path, without user, query and " +
			"fragment: correct CLOUDFLARE_API_BASE_URL")
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return errors.New("cloudflare: the API's base URL is plain http, on which others can read the token and the " +
			"values: give its https address in CLOUDFLARE_API_BASE_URL")
	}
	return nil
}
