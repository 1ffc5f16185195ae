package cloudflare

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

type fault = cloudflarefake.Fault

const (
	now   = cloudflarefake.Now
	twice = cloudflarefake.Twice
	late  = cloudflarefake.Late
)

// Every kind of write meets every fault. No write is sent again, and no error
// shows the text.
func TestAppliedWriteIsNeverCalledNotApplied(t *testing.T) {
	echo := `{"success":false,"errors":[{"code":1001,"message":"` + strings.ReplaceAll(value, `"`, `\"`) + `"}]}`
	for _, tc := range []struct {
		name       string
		fault      fault
		err        string // part of the error; empty: no error
		notApplied bool
		// batch is "unknown": the outcome of a batch is unknown, unlike that of a single
		// request; or "halves": the batch is sent again in halves.
		batch string
	}{
		{"token refused", fault{Status: 401, Code: 1000, Message: "Invalid API Token"},
			"status 401, code 1000: the API token is no longer valid: set CLOUDFLARE_API_TOKEN to one with the permission " +
				"Account > Secrets Store > Edit (Secrets Store Write)", true, ""},
		{"malformed token", fault{Status: 400, Code: 6003, Message: "Invalid request headers"}, "the API token is malformed",
			true, ""},
		{"no permission", fault{Status: 403, Code: 10000, Message: "Authentication error"},
			"add the permission Account > Secrets Store > Edit (Secrets Store Write) to the API token, if it is one of this " +
				"account", true, ""},
		{"gone", fault{Status: 404, Code: 1001, Message: "secret_not_found"},
			"status 404, secret_not_found: another process has deleted the secret: run again", true, ""},
		{"no such store", fault{Status: 404, Code: 1001, Message: "store_not_found"}, "give the id of an existing store",
			true, ""},
		{"no such store, in another way", fault{Status: 400, Code: 1001, Message: "store_not_found"},
			"give the id of an existing store", true, ""},
		{"no such account", fault{Status: 404, Code: 7003, Message: "Could not route to /x"},
			"code 7003: check the account id", true, ""},
		{"conflict", fault{Status: 409, Code: 1003, Message: "conflict"}, "status 409, code 1003: run again, to continue",
			false, ""},
		{"conflict after it was applied", fault{Applied: now, Status: 409}, "status 409", false, ""},
		{"invalid", fault{Status: 400, Code: 1001, Message: "secret_value_too_long"},
			"secret_value_too_long: keep the value within 65,536 bytes", true, "halves"},
		{"invalid, in words that are new", fault{Status: 422, Code: 1099, Message: "secret_moon_phase_wrong"},
			"status 422, secret_moon_phase_wrong: ", true, "unknown"},
		{"invalid, in other words that are new", fault{Status: 400, Code: 1001, Message: "secret_moon_phase_wrong"},
			"status 400, secret_moon_phase_wrong: ", true, "halves"},
		{"full", fault{Status: 400, Code: 1003, Message: "maximum_secrets_exceeded"},
			"maximum_secrets_exceeded: remove unused secrets", true, "unknown"},
		{"refused without a reason", fault{Status: 400}, "status 400", true, "unknown"},
		{"the name exists", fault{Status: 400, Code: 1003, Message: "secret_name_already_exists: x"},
			"secret_name_already_exists: another process has created", false, ""},
		{"an answer that repeats the value", fault{Status: 400, Raw: echo}, "status 400, code 1001", true, "halves"},
		{"a word that repeats the value", fault{Status: 400, Code: 1, Message: "versions_of"}, "code 1", true, "unknown"},
		{"too large", fault{Status: 413, Raw: "<html>413</html>"}, "status 413: the answer was not understood", true,
			"halves"},
		{"timeout at the server", fault{Status: 408}, "status 408", false, ""},
		{"broken", fault{Status: 500, Code: 10001, Message: value}, "status 500, code 10001: Cloudflare has a problem", false,
			""},
		{"broken after it was applied", fault{Applied: now, Status: 500}, "status 500", false, ""},
		{"a gateway's page", fault{Applied: now, Status: 502, Raw: "<html>" + value},
			"status 502: the answer was not understood", false, ""},
		{"dropped before", fault{Drop: true}, "the connection ended before the answer did", false, ""},
		{"dropped after", fault{Applied: now, Drop: true}, "the connection ended before the answer did", false, ""},
		{"late", fault{Applied: late, Drop: true}, "the connection ended before the answer did", false, ""},
		{"no success", fault{Status: 200}, "status 200, but no success: run again", false, ""},
		{"no success after it was applied", fault{Applied: now, Status: 200, Code: 1, Message: "x"},
			"status 200, but no success, code 1", false, ""},
		{"an answer cut off", fault{Applied: now, Raw: `{"success":true,"result":[{"id":"` + value},
			"the answer was not understood", false, ""},
		{"an envelope of another kind", fault{Applied: now, Raw: `{"success":true,"errors":"none","result":[]}`},
			"status 200: the answer was not understood", false, ""},
		{"null", fault{Applied: now, Raw: `null`}, "status 200, but no success", false, ""},
		{"an endless answer", fault{Applied: now, Raw: `{"success":true,"result":"` + strings.Repeat(" ", 8<<20) + `"}`},
			"the answer is too long", false, ""},
		{"a redirect", fault{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}},
			"status 307: the answer is a redirect", false, ""},
	} {
		for kind, list := range map[string][]driver.Item{"create": items(1), "create a batch": items(3),
			"replace": items(1)} {
			t.Run(tc.name+"/"+kind, func(t *testing.T) {
				fake, o := start(t, cloudflarefake.Options{})
				s, _ := open(t, o)
				method := http.MethodPost
				if kind == "replace" {
					published(t, s, list...)
					method = http.MethodPatch
				} else {
					_, err := s.Inspect(t.Context(), []string{"x"})
					require.NoError(t, err)
				}
				fake.Forget()
				tc.fault.Method, tc.fault.Times = method, -1
				fake.Fail(tc.fault)
				errs := s.Publish(t.Context(), list)
				require.Len(t, errs, len(list))
				once := []string{method}
				if tc.batch == "halves" && len(list) == 3 {
					once = []string{method, method, method, method, method} // 3, 1, 2, 1, 1
				}
				require.Equal(t, once, methods(fake.Requests()), "sent once")
				for _, err := range errs {
					require.ErrorContains(t, err, tc.err)
					certain := tc.notApplied && (len(list) == 1 || tc.batch != "unknown")
					require.Equal(t, certain, errors.Is(err, driver.ErrNotApplied), err)
					quiet(t, err, list[0].Note)
				}

				// The next run detects the outcome and finishes.
				fake.Forget()
				fake.Release()
				found, err := s.Inspect(t.Context(), namesOf(list))
				require.NoError(t, err)
				if tc.notApplied && kind != "replace" {
					require.Empty(t, found)
				}
				published(t, s, list...)
				require.Equal(t, namesOf(list), fake.Names())
			})
		}
	}
}

func TestRequestSentTwiceOnTheWay(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	s, _ := open(t, o)
	fake.Fail(fault{Method: "POST", Applied: twice})
	errs := s.Publish(t.Context(), items(1))
	require.ErrorContains(t, errs[0], "secret_name_already_exists")
	require.NotErrorIs(t, errs[0], driver.ErrNotApplied, "it is ours that exists")
	fake.Fail(fault{Method: "PATCH", Applied: twice})
	published(t, s, items(1)...)
}

// TestBatchInPart: a secret that the answer to a batch does not mention may not
// exist, and neither may the secrets of a refused batch.
func TestBatchInPart(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{Partial: true})
	s, _ := open(t, o)
	fake.Fail(fault{Method: "POST", Applied: now, Shorten: 2})
	errs := s.Publish(t.Context(), items(3))
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	require.ErrorContains(t, errs[2], "create "+item(2).Name+": the answer does not mention it")
	require.NotErrorIs(t, errs[2], driver.ErrNotApplied)
	quiet(t, errs[2])

	// Another client creates the fifth secret after the list was read.
	_, err := s.Inspect(t.Context(), []string{"x"})
	require.NoError(t, err)
	fake.Put(item(4).Name, "theirs", "")
	errs = s.Publish(t.Context(), items(6)[3:])
	require.Len(t, errs, 3)
	for _, err := range errs {
		require.ErrorContains(t, err, "secret_name_already_exists")
		require.NotErrorIs(t, err, driver.ErrNotApplied)
	}
	require.Contains(t, fake.Names(), item(3).Name, "it was created all the same")
	theirs, _ := fake.Value(item(4).Name)
	require.Equal(t, "theirs", theirs)
}

func TestRefusedSecretHoldsBackNoOther(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{Refuse: item(41).Name})
	s, _ := open(t, o)
	errs := s.Publish(t.Context(), items(90))
	require.Len(t, errs, 90)
	for i, err := range errs {
		if i != 41 {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "create "+item(41).Name+": status 400, secret_name_invalid")
		require.ErrorIs(t, err, driver.ErrNotApplied)
	}
	require.Len(t, fake.Names(), 89)
	require.LessOrEqual(t, len(fake.Requests()), 2+1+2*7)
}

// Every further request would be refused too.
func TestRefusedTokenEndsTheSending(t *testing.T) {
	for status, want := range map[int]int{401: 1, 403: 1, 404: 3, 500: 3} {
		fake, o := start(t, cloudflarefake.Options{})
		s, _ := open(t, o)
		published(t, s, items(3)...)
		fake.Forget()
		fake.Fail(fault{Method: "PATCH", Times: -1, Status: status, Code: 1})
		errs := s.Publish(t.Context(), items(4))
		require.Len(t, fake.Requests(), want+1, "and a create")
		if want == 1 {
			require.ErrorContains(t, errs[2], "not sent, since another was refused: status ")
			require.ErrorIs(t, errs[2], driver.ErrNotApplied)
		}
	}
}

// The request is never sent, or never answered.
func TestLostRequestIsExplained(t *testing.T) {
	held := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-held
	}))
	defer hanging.Close()
	defer close(held)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quietLog()
	untrusted.StartTLS()
	defer untrusted.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	garbled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, value+"\r\n\r\n")
			_ = conn.Close()
		}
	}))
	defer garbled.Close()

	for _, tc := range []struct {
		name, base string
		err        string
		notApplied bool
		is         error
	}{
		{"nobody listens", closed.URL, "connection refused: check the network", true, nil},
		{"no such host", "https://nowhere.invalid", "dial tcp: lookup nowhere.invalid", true, nil},
		{"no trust", untrusted.URL, "the server's certificate is not trusted", true, nil},
		{"no answer", hanging.URL, "no answer in time: context deadline exceeded: run again", false,
			context.DeadlineExceeded},
		{"no HTTP", garbled.URL, "the connection ended before the answer did", false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, o := start(t, cloudflarefake.Options{})
			o.StoreID, o.BaseURL, o.Timeout = cloudflarefake.Account, tc.base, 200*time.Millisecond
			if tc.is == nil {
				o.Timeout = 0
			}
			s, _ := open(t, o)
			s.ids = map[string]string{item(1).Name: strings.Repeat("0", 32)}
			errs := s.Publish(t.Context(), items(2))
			require.Len(t, errs, 2)
			for _, err := range errs {
				require.ErrorContains(t, err, tc.err)
				require.NotContains(t, err.Error(), "/accounts/")
				require.Equal(t, tc.notApplied, errors.Is(err, driver.ErrNotApplied), err)
				if tc.is != nil {
					require.ErrorIs(t, err, tc.is)
				}
				quiet(t, err)
			}
		})
	}
}

// The context ends before the request is sent, or afterwards.
func TestContextEndsARequest(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	s, _ := open(t, o)
	_, err := s.Inspect(t.Context(), []string{"x"})
	require.NoError(t, err)
	why := errors.New("the operator went home")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	fake.Forget()
	errs := s.Publish(ctx, items(2))
	require.Empty(t, fake.Requests())
	for _, err := range errs {
		require.ErrorIs(t, err, driver.ErrNotApplied)
		require.ErrorIs(t, err, why)
	}

	_, err = s.Inspect(t.Context(), []string{"x"})
	require.NoError(t, err)
	ctx, cancel = context.WithCancelCause(t.Context())
	fake.Fail(fault{Method: "POST", Applied: now, Drop: true, Before: func() { cancel(why) }})
	errs = s.Publish(ctx, items(2))
	for _, err := range errs {
		require.NotErrorIs(t, err, driver.ErrNotApplied)
		require.ErrorIs(t, err, why)
		quiet(t, err)
	}
	require.Len(t, fake.Names(), 2)
}

// Neither the value nor the token is sent to the target of a redirect.
func TestRedirectIsNotFollowed(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it followed") }))
	defer elsewhere.Close()
	s, _ := open(t, o)
	fake.Fail(fault{Times: -1, Status: 307, Header: http.Header{"Location": {elsewhere.URL}}})
	require.ErrorContains(t, s.Publish(t.Context(), items(1))[0], "status 307")
}

// TestIDs: an id from the API is used in a path only if it has the form of an id.
func TestIDs(t *testing.T) {
	bad := `"../../../tokens"`
	stores := `{"success":true,"result":[{"id":` + bad + `,"name":"x"}]}`
	secrets := `{"success":true,"result":[{"id":` + bad + `,"name":"` + item(0).Name +
		`","status":"active","modified":"2026-01-01T00:00:00Z"}],"result_info":{"per_page":100}}`
	made := `{"success":true,"result":{"id":` + bad + `,"value":"Zt9qWm4xKp7Rb2Vn"}}`
	for _, tc := range []struct {
		name, path, raw, err string
		do                   func(Options) error
	}{
		{"store", "/stores", stores, "no usable id for the account's store", func(o Options) error {
			s, _ := open(t, o)
			return s.Publish(t.Context(), items(1))[0]
		}},
		{"secret", "/stores/", secrets, "no usable id for a secret", func(o Options) error {
			s, _ := open(t, o)
			return s.Publish(t.Context(), items(1))[0]
		}},
		{"removed", "/stores/", secrets, "no usable id for a secret", func(o Options) error {
			s, _ := open(t, o)
			return s.Remove(t.Context(), namesOf(items(1)))[0]
		}},
		{"token", "/tokens", made, "the answer holds no usable token", func(o Options) error {
			g, err := generator(o)
			require.NoError(t, err)
			_, err = g.Make(t.Context(), "n", map[string]string{"bucket": "media", "access": "read"})
			return err
		}},
		{"a token to be retired", "", "", "the id of a token is 32 hexadecimal digits", func(o Options) error {
			g, err := generator(o)
			require.NoError(t, err)
			return g.Retire(t.Context(), "../secrets_store")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, o := start(t, cloudflarefake.Options{})
			fake.Fail(fault{Path: tc.path, Raw: tc.raw, Applied: now})
			err := tc.do(o)
			require.ErrorContains(t, err, tc.err)
			quiet(t, err, "Zt9qWm4xKp7Rb2Vn")
		})
	}
}

// TestNoEnd: a list with endless pages.
func TestNoEnd(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	o.StoreID = fake.StoreID()
	s, _ := open(t, o)
	fake.Fail(fault{Times: -1, Raw: `{"success":true,"result":[{"id":"` + o.StoreID + `","name":"n","status":"active"}]}`,
		Applied: now})
	_, err := s.Inspect(t.Context(), []string{"n"})
	require.ErrorContains(t, err, "list the secrets: the list has no end")
	require.Len(t, fake.Requests(), 100)

	fake.Forget()
	fake.Fail(fault{Times: -1, Raw: `{"success":true,"result":[],"result_info":{"total_count":5}}`, Applied: now})
	_, err = s.Inspect(t.Context(), []string{"n"})
	require.NoError(t, err, "an empty page is the end, for any total")
	require.Len(t, fake.Requests(), 1)
}

// FuzzAnswer: no answer causes a panic, or an error that shows the request.
func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"success":true,"result":[{"id":"`+cloudflarefake.Account+
		`","name":"n","status":"active","modified":"2026-01-01T00:00:00Z"}],"result_info":{"total_count":1}}`)
	f.Add(200, `{"success":true,"result":{"id":"`+cloudflarefake.Account+`","value":"x"}}`)
	f.Add(200, `{"success":true,"result":{"secrets":{"quota":1e99,"usage":-1}}}`)
	f.Add(200, `{"success":true,"result":null,"result_info":null}`)
	f.Add(400, `{"success":false,"errors":[{"code":1001,"message":"`+`Zt9qWm4xKp7Rb2Vn`+`"}]}`)
	f.Add(429, `null`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		o := Options{AccountID: cloudflarefake.Account, Token: driver.NewValue(cloudflarefake.Token),
			StoreID: cloudflarefake.Account,
			HTTPClient: &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
					Request: r}, nil
			})}}
		s, _ := open(t, o)
		g, err := generator(o)
		require.NoError(t, err)
		_, err = s.Inspect(t.Context(), []string{"n"})
		errs := []error{err, s.Check(t.Context(), []string{"n"}), g.Sweep(t.Context(), []string{"n"}, nil)}
		errs = append(errs, s.Publish(t.Context(), append(items(2), driver.Item{Name: "n", Text: driver.NewValue(value)}))...)
		errs = append(errs, s.Remove(t.Context(), []string{"n"})...)
		_, err = g.Make(t.Context(), "n", map[string]string{"bucket": "media-2", "access": "read"})
		for _, err := range append(errs, err) {
			if err != nil {
				require.Empty(t, redacttest.Find(err.Error(), value[len(`{"current":"v1","versions":{`):])+
					redacttest.Find(err.Error(), cloudflarefake.Token))
			}
		}
	})
}

func TestTwoSecretsOfOneNameAreRefused(t *testing.T) {
	fake, o := start(t, cloudflarefake.Options{})
	o.StoreID = fake.StoreID()
	s, _ := open(t, o)
	entry := func(id string) string {
		return `{"id":"` + strings.Repeat(id, 32) + `","name":"n","status":"active","modified":"2026-01-01T00:00:00Z"}`
	}
	fake.Fail(fault{Applied: now, Raw: `{"success":true,"result":[` + entry("a") + `,` + entry("b") +
		`],"result_info":{"per_page":100}}`})
	_, err := s.Inspect(t.Context(), []string{"n"})
	require.ErrorContains(t, err, `two secrets named "n": delete one of them`)

	fake.Fail(fault{Applied: now, Raw: `{"success":true,"result":[` +
		strings.Replace(entry("a"), "2026-01-01T00:00:00Z", "", 1) + `],"result_info":{"per_page":100}}`})
	_, err = s.Inspect(t.Context(), []string{"n"})
	require.ErrorContains(t, err, "does not return when n was modified")
}
