package cloudflare

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/layeron-hq/secret/driver"
)

// client sends requests through the services of cloudflare-go. It holds the token where no printing shows it.
type client struct {
	account  string
	token    driver.Value
	base     string
	http     *http.Client
	timeout  time.Duration
	patience time.Duration
	// now and wait are the clock; tests have their own.
	now  func() time.Time
	wait func(context.Context, time.Duration) error
}

func newClient(o Options) (*client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &client{
		account: o.AccountID, token: o.Token, base: o.BaseURL,
		http: &http.Client{}, timeout: o.Timeout, patience: o.Patience,
		now: time.Now, wait: wait,
	}
	if c.base == "" {
		c.base = "https://api.cloudflare.com/client/v4"
	}
	c.base = strings.TrimRight(c.base, "/") + "/"
	if o.HTTPClient != nil {
		own := *o.HTTPClient
		c.http = &own
	}
	// A 307 would send value and token once more, to wherever it points.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.timeout == 0 {
		c.timeout = 30 * time.Second
	}
	if c.patience == 0 {
		c.patience = 6 * time.Minute
	}
	return c, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// do has send make one request, and make it again only after a 429, which Cloudflare has not carried out. op says what is
// being done, needs the permission that it takes. The error is a *failure.
func (c *client) do(ctx context.Context, op string, needs permission, send func(context.Context, ...option.RequestOption) error) (*exchange, error) {
	waited := time.Duration(0)
	for attempt := 0; ; attempt++ {
		x, f := c.once(ctx, send)
		if f == nil {
			return x, nil
		}
		f.op, f.needs = op, needs
		if f.status != http.StatusTooManyRequests {
			return x, f
		}
		pause := f.pause(attempt)
		deadline, bounded := ctx.Deadline()
		if waited+pause > c.patience || bounded && c.now().Add(pause).After(deadline) {
			f.hint = fmt.Sprintf("Cloudflare asks to wait: run again in %s", pause.Round(time.Second))
			return x, f
		}
		if err := c.wait(ctx, pause); err != nil {
			return x, &failure{op: op, notApplied: true, detail: "interrupted while waiting for Cloudflare's rate limit", cause: err}
		}
		waited += pause
	}
}

func (c *client) once(ctx context.Context, send func(context.Context, ...option.RequestOption) error) (*exchange, *failure) {
	if ctx.Err() != nil {
		return nil, &failure{notApplied: true, detail: "not sent", cause: context.Cause(ctx)}
	}
	x := &exchange{now: c.now}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := send(bounded,
		option.WithBaseURL(c.base), option.WithHTTPClient(c.http), option.WithAPIToken(c.token.Reveal()),
		option.WithMaxRetries(0), option.WithMiddleware(x.roundTrip))
	switch {
	case x.failure != nil:
		if ctx.Err() != nil && x.failure.status == 0 {
			x.failure.detail, x.failure.cause = "interrupted", context.Cause(ctx)
		}
		return x, x.failure
	case err == nil:
		return x, nil
	case !x.begun:
		return x, &failure{notApplied: true, detail: "the request could not be made"}
	case bounded.Err() != nil:
		return x, &failure{detail: "interrupted", cause: context.Cause(bounded)}
	default: // answered with success, and yet not understood
		return x, &failure{detail: "the answer was not understood"}
	}
}

// String tells the account.
func (c *client) String() string { return "Cloudflare account " + c.account }

// Format writes what String returns, under every verb and flag.
func (c *client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
