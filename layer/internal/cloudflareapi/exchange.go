package cloudflareapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// largestAnswer is the size limit of an answer in bytes: a hundred secrets take
// about 50 KB.
const largestAnswer = 8 << 20

// Exchange is one request and its answer. It intercepts the requests of
// cloudflare-go, which treats "success": false as success, prints requests in
// its errors, and does not distinguish a request that was never sent from one
// whose answer was lost.
type Exchange struct {
	now      func() time.Time
	begun    bool
	envelope envelope
	failure  *Failure
	date     time.Time // of the answer; zero if it has none
}

// envelope is the outer object of every answer of the API.
type envelope struct {
	Success bool `json:"success"`
	Errors  []struct {
		Code    int64  `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
	Info struct {
		PerPage    float64 `json:"per_page"`
		TotalCount float64 `json:"total_count"`
		TotalPages float64 `json:"total_pages"`
	} `json:"result_info"`
}

var errNoSuccess = errors.New("no success")

// roundTrip is an option.Middleware. It stores an answer that is no success in
// x.failure.
func (x *Exchange) roundTrip(req *http.Request,
	next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	x.begun = true
	var asked, connected atomic.Bool
	res, err := next(req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})))
	if err != nil {
		x.failure = lost(err)
		// It asked for a connection and never had one.
		x.failure.NotApplied = asked.Load() && !connected.Load() || req.Method == http.MethodGet
		return nil, errNoSuccess
	}
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		x.date = date
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, largestAnswer+1))
	_ = res.Body.Close()
	if err != nil || len(body) > largestAnswer {
		x.failure = lost(err)
		x.failure.Status = res.StatusCode
		x.failure.NotApplied = definite[res.StatusCode] || req.Method == http.MethodGet
		return nil, errNoSuccess
	}
	understood := json.Unmarshal(body, &x.envelope) == nil
	if res.StatusCode/100 != 2 || !understood || !x.envelope.Success {
		x.failure = refused(req, res, x.envelope, understood)
		x.failure.retryAfter = retryAfter(res.Header.Get("Retry-After"), x.now())
		return nil, errNoSuccess
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.Header.Set("Content-Type", "application/json")
	return res, nil
}
