package r2

import (
	"net/http"
	"time"

	"github.com/layeron-hq/secret/driver"
)

// Options are the account and the credential. They redact the token under every
// format.
type Options struct {
	// AccountID is the account's id: 32 hexadecimal digits. It is required.
	AccountID string
	// Token is an API token. It is required.
	Token driver.Value
	// BaseURL is the part of the API's address before /accounts. Empty:
	// https://api.cloudflare.com/client/v4. Plain http is allowed only for this
	// machine.
	BaseURL string
	// HTTPClient sends the requests. A copy is used, which follows no redirect,
	// because a redirect could send a value to another server. Nil: a client on
	// http.DefaultTransport.
	HTTPClient *http.Client
	// Timeout bounds one request. 0: 30 s.
	Timeout time.Duration
	// Patience bounds one call of Make, Retire or Sweep, including all its requests
	// and the pauses for Cloudflare's rate limit. 0: 6 minutes, a little more than the
	// limit lasts.
	Patience time.Duration
}
