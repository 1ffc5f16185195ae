package cloudflareapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/option"

	"github.com/layeron-hq/secret/driver"
)

// Client sends requests through the services of cloudflare-go. No way of
// printing it shows the token.
type Client struct {
	AccountID string
	token     driver.Value
	base      string
	http      *http.Client
	timeout   time.Duration
	Patience  time.Duration
	// Now and Wait are the clock; tests replace them.
	Now  func() time.Time
	Wait func(context.Context, time.Duration) error

	ahead atomic.Pointer[time.Duration]
}

// Ahead returns the time by which the API's clock is ahead of this machine's, as
// the date of its last answer showed, to the second. known is false before the
// first answer.
func (c *Client) Ahead() (d time.Duration, known bool) {
	if p := c.ahead.Load(); p != nil {
		return *p, true
	}
	return 0, false
}

func New(o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &Client{
		AccountID: o.AccountID, token: o.Token, base: o.BaseURL,
		http: &http.Client{}, timeout: o.Timeout, Patience: o.Patience,
		Now: time.Now, Wait: wait,
	}
	if c.base == "" {
		c.base = "https://api.cloudflare.com/client/v4"
	}
	c.base = strings.TrimRight(c.base, "/") + "/"
	if o.HTTPClient != nil {
		own := *o.HTTPClient
		c.http = &own
	}
	// A 307 would send value and token again, to any address that it names.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.timeout == 0 {
		c.timeout = 30 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 6 * time.Minute
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

// endKey is the context key of the deadline of a call, on the client's clock.
type endKey struct{}

// Call begins a call. All its requests together have the client's patience.
// Within a call that has begun it returns ctx.
func (c *Client) Call(ctx context.Context) context.Context {
	if _, ok := ctx.Value(endKey{}).(time.Time); ok {
		return ctx
	}
	return context.WithValue(ctx, endKey{}, c.Now().Add(c.Patience))
}

// mostTries is the largest number of times that a request is sent: nine pauses,
// from one second to a minute.
const mostTries = 10

// Do calls send for one request. It calls send again only after a 429, with
// which Cloudflare has not applied the request. op names the operation, and
// needs is the permission that it requires. The error is a *Failure.
func (c *Client) Do(ctx context.Context, op string, needs Permission,
	send func(context.Context, ...option.RequestOption) error) (*Exchange, error) {
	ctx = c.Call(ctx)
	end := ctx.Value(endKey{}).(time.Time)
	for attempt := 0; ; attempt++ {
		x, f := c.once(ctx, end.Sub(c.Now()), send)
		if f == nil {
			return x, nil
		}
		f.Op, f.needs = op, needs
		if f.Status != http.StatusTooManyRequests {
			return x, f
		}
		pause := f.pause(attempt)
		deadline, bounded := ctx.Deadline()
		if after := c.Now().Add(pause); attempt+1 == mostTries || end.Sub(after) < c.least() || bounded &&
			after.After(deadline) {
			f.Hint = fmt.Sprintf("Cloudflare asks to wait: run again in %s", pause.Round(time.Second))
			return x, f
		}
		if err := c.Wait(ctx, pause); err != nil {
			return x, &Failure{Op: op, NotApplied: true, Detail: "interrupted while waiting for Cloudflare's rate limit",
				Cause: err}
		}
	}
}

// least is the time that a call must have left before it sends a request: the
// whole timeout, if the patience is enough for a dozen. A request that is cut
// off may be applied.
func (c *Client) least() time.Duration { return min(c.timeout, c.Patience/12) }

// once sends a request. left is the remaining time of its call.
func (c *Client) once(ctx context.Context, left time.Duration,
	send func(context.Context, ...option.RequestOption) error) (*Exchange, *Failure) {
	if ctx.Err() != nil {
		return nil, &Failure{NotApplied: true, Detail: "not sent", Cause: context.Cause(ctx)}
	}
	if left < c.least() {
		return nil, &Failure{NotApplied: true, Detail: fmt.Sprintf("not sent, because all requests of a call together may "+
			"take %s", c.Patience),
			Hint: "run again, to continue"}
	}
	x := &Exchange{now: c.Now}
	bounded, cancel := context.WithTimeout(ctx, min(c.timeout, left))
	defer cancel()
	err := send(bounded,
		option.WithBaseURL(c.base), option.WithHTTPClient(c.http), option.WithAPIToken(c.token.Reveal()),
		option.WithMaxRetries(0), option.WithMiddleware(x.roundTrip))
	if !x.date.IsZero() {
		ahead := x.date.Sub(c.Now()).Truncate(time.Second)
		c.ahead.Store(&ahead)
	}
	switch {
	case x.failure != nil:
		if ctx.Err() != nil && x.failure.Status == 0 {
			x.failure.Detail, x.failure.Cause = "interrupted", context.Cause(ctx)
		}
		return x, x.failure
	case err == nil:
		return x, nil
	case !x.begun:
		return x, &Failure{NotApplied: true, Detail: "the request could not be made"}
	case ctx.Err() == nil && bounded.Err() != nil:
		return x, &Failure{Detail: "no answer in time", Cause: context.Cause(bounded)}
	case bounded.Err() != nil:
		return x, &Failure{Detail: "interrupted", Cause: context.Cause(bounded)}
	default: // answered with success, but not understood
		return x, &Failure{Detail: "the answer was not understood"}
	}
}

// String names the account.
func (c *Client) String() string { return "Cloudflare account " + c.AccountID }

// Format writes the text of String, under every verb and flag.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
