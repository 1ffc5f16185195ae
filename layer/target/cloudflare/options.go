package cloudflare

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
)

// Options are the account and the credential. They redact the token under every
// format.
type Options struct {
	// AccountID is the account's id: 32 hexadecimal digits. It is required.
	AccountID string
	// Token is an API token. It is required.
	Token driver.Value
	// StoreID is the Secrets Store's id, 32 hexadecimal digits. Empty: the account's
	// only store.
	StoreID string
	// Scopes are the services that may read the published values: workers, ai_gateway,
	// dex, access, containers, websearch. Empty: workers.
	Scopes []string
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
	// Patience bounds one call of Publish, Inspect, Remove, Check or ID, including all
	// its requests and the pauses for Cloudflare's rate limit. A call that exceeds it
	// reports which of its secrets it did not send. 0: 6 minutes, a little more than
	// the limit lasts.
	Patience time.Duration
}

var scopes = []string{"workers", "ai_gateway", "dex", "access", "containers", "websearch"}

// client checks the options and returns the sender of requests.
func (o Options) client() (*cloudflareapi.Client, error) {
	c, err := cloudflareapi.New(cloudflareapi.Options{AccountID: o.AccountID, Token: o.Token, BaseURL: o.BaseURL,
		HTTPClient: o.HTTPClient, Timeout: o.Timeout, Patience: o.Patience})
	if err != nil {
		return nil, err
	}
	if o.StoreID != "" && !cloudflareapi.IDForm().MatchString(o.StoreID) {
		return nil, errors.New("cloudflare: the store id is not 32 hexadecimal digits in lower case: `wrangler " +
			"secrets-store store list` shows it")
	}
	for _, s := range o.Scopes {
		if !slices.Contains(scopes, s) {
			return nil, fmt.Errorf("cloudflare: %q is no scope: choose from %s", s, strings.Join(scopes, ", "))
		}
	}
	return c, nil
}
