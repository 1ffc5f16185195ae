package r2

import (
	"net/http"
	"time"

	"github.com/layeron-hq/secret/driver"
)

// Options say which account to work on, and with which token. They show no token,
// however they are printed.
type Options struct {
	// AccountID is the account's id: 32 hexadecimal digits. It must be given.
	AccountID string
	// Token is an API token, and must be given.
	Token driver.Value
	// BaseURL is the part of the API's address before /accounts. Empty:
	// https://api.cloudflare.com/client/v4. Plain http is for this machine only.
	BaseURL string
	// HTTPClient sends the requests. It follows no redirect, which could carry a
	// value elsewhere. Nil: one of its own, on http.DefaultTransport.
	HTTPClient *http.Client
	// Timeout bounds one request. 0: 30 s.
	Timeout time.Duration
	// Patience bounds one call of Make, Retire or Sweep, with all its requests and
	// with the pauses that Cloudflare's rate limit asks for. 0: 6 minutes, a little
	// more than the limit lasts.
	Patience time.Duration
}
