package recipes

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// recipe: webhook-standard

// standardSecret has the form whsec_ and base64: the key is the decoded part.
var standardSecret = secret.Static(secret.Options{Namespace: "billing", Name: "standard-webhook-secret"})

func verifyStandardWebhook(header http.Header, body []byte) error {
	id, sent := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return keyring.ErrInvalidToken
	}
	versions, err := standardSecret.Active()
	if err != nil {
		return err
	}
	refused := keyring.ErrInvalidToken
	for _, version := range versions {
		encoded, prefixed := strings.CutPrefix(version.Text(), "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || !prefixed {
			refused = fmt.Errorf("%v, version %s: not whsec_ and base64", standardSecret, version.ID)
			continue
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, sent, body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for signature := range strings.FieldsSeq(header.Get("webhook-signature")) {
			if hmac.Equal([]byte(signature), []byte(want)) {
				return nil
			}
		}
	}
	return refused
}

// end
