package recipes

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/secrettest"
)

const event = `{"event":"paid"}`

// post returns the status of the answer to a webhook.
func post(t *testing.T, verify func(http.Header, []byte) error, header http.Header, body string) int {
	t.Helper()
	r, w := httptest.NewRequest("POST", "/", strings.NewReader(body)), httptest.NewRecorder()
	r.Header = header
	received := ""
	webhooks(verify, func(body []byte) { received += string(body) })(w, r)
	want := ""
	if w.Code == http.StatusNoContent {
		want = body
	}
	require.Equal(t, want, received, "a refused webhook is not received")
	return w.Code
}

func signature(key, body string) http.Header {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}
}

func TestWebhooksOfBothKeysAreReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, webhookSecret, "old")
		requireWebhook := func(want int, key string) {
			t.Helper()
			require.Equal(t, want, post(t, verifyWebhook, signature(key, event), event))
		}
		requireWebhook(204, "old")
		requireWebhook(401, "new")
		r.set("new")
		requireWebhook(204, "old")
		requireWebhook(204, "new")
		time.Sleep(time.Hour)
		requireWebhook(401, "old")
		requireWebhook(204, "new")
	})
}

func TestUnsignedWebhooksAreRefused(t *testing.T) {
	store := secrettest.Set(t, webhookSecret, "key")
	require.Equal(t, 401, post(t, verifyWebhook, http.Header{}, event))
	require.Equal(t, 401, post(t, verifyWebhook, http.Header{"X-Hub-Signature-256": {"sha256=no hex"}}, event))
	require.Equal(t, 401, post(t, verifyWebhook, signature("key", "another body"), event))
	large := strings.Repeat("x", 1<<20+1)
	require.Equal(t, 400, post(t, verifyWebhook, signature("key", large), large))
	store.Fail(errors.New("no route"))
	require.Equal(t, 503, post(t, verifyWebhook, signature("key", event), event))
}

// standard returns the headers of a webhook signed with each of the keys.
func standard(sent time.Time, body string, keys ...string) http.Header {
	seconds := strconv.FormatInt(sent.Unix(), 10)
	signatures := []string{"v1a,AAAA"} // a form that this receiver does not have
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte("msg_1." + seconds + "." + body))
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {seconds},
		"Webhook-Signature": {strings.Join(signatures, " ")}}
}

func whsec(key string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(key)) }

func TestStandardWebhooksOfBothKeysAreReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, standardSecret, whsec("old"))
		requireWebhook := func(want int, keys ...string) {
			t.Helper()
			require.Equal(t, want, post(t, verifyStandardWebhook, standard(time.Now(), event, keys...), event))
		}
		requireWebhook(204, "old")
		requireWebhook(204, "new", "old") // a sender in its own rotation signs with both
		requireWebhook(401, "new")
		requireWebhook(401, whsec("old")) // the key is the decoded part
		requireWebhook(401)
		r.set(whsec("new"))
		requireWebhook(204, "old")
		requireWebhook(204, "new")
		time.Sleep(time.Hour)
		requireWebhook(401, "old")
		requireWebhook(204, "new")
	})
}

func TestStandardWebhooksAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := secrettest.Set(t, standardSecret, whsec("key"))
		status := func(header http.Header) int { return post(t, verifyStandardWebhook, header, event) }
		now := time.Now()
		require.Equal(t, 204, status(standard(now.Add(-5*time.Minute), event, "key")))
		require.Equal(t, 401, status(standard(now.Add(-5*time.Minute-time.Second), event, "key")))
		require.Equal(t, 401, status(standard(now.Add(5*time.Minute+time.Second), event, "key")))
		require.Equal(t, 401, status(standard(now, "another body", "key")))
		for _, name := range []string{"Webhook-Id", "Webhook-Timestamp"} {
			header := standard(now, event, "key")
			header.Set(name, header.Get(name)+"0")
			require.Equal(t, 401, status(header), name)
			header.Del(name)
			require.Equal(t, 401, status(header), name)
		}

		store.Set(standardSecret.Address().String(), "current=v2;v1="+whsec("key")+";v2=pasted wrongly")
		require.Equal(t, 204, status(standard(now, event, "key")))
		require.Equal(t, 503, status(standard(now, event, "another")), "v2 may be the key that the sender used")
		store.Fail(errors.New("no route"))
		require.Equal(t, 503, status(standard(now, event, "key")))
	})
}

// The example of the Standard Webhooks libraries' own tests.
func TestStandardWebhookOfTheSpecificationIsReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := time.Unix(1614265330, 0)
		time.Sleep(time.Until(sent))
		secrettest.Set(t, standardSecret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		header := http.Header{"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
			"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}}
		require.NoError(t, verifyStandardWebhook(header, []byte(`{"test": 2432232314}`)))
	})
}
