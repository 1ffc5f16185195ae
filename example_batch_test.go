package secret_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/layeron-hq/secret"
)

// vault is a store on a server that answers for many names in one request.
type vault struct{ server string }

func (v *vault) GetAll(ctx context.Context, addrs []secret.Address) (map[secret.Address]string, error) {
	query := url.Values{}
	for _, addr := range addrs {
		query.Add("name", secret.BindingOf(ctx, addr))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.server+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err // of every address
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %s", res.Status) // else every text would be missing
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var byName map[string]string
	if json.Unmarshal(body, &byName) != nil {
		return nil, fmt.Errorf("the server answers %s, not a JSON object", res.Status)
	}
	texts := map[secret.Address]string{}
	for _, addr := range addrs {
		if text, found := byName[secret.BindingOf(ctx, addr)]; found {
			texts[addr] = text
		}
	}
	return texts, nil // an address without a text is not found
}

func (v *vault) Get(ctx context.Context, addr secret.Address) (string, error) {
	texts, err := v.GetAll(ctx, []secret.Address{addr})
	if err != nil {
		return "", err
	}
	text, found := texts[addr]
	if !found {
		return "", fmt.Errorf("%s: %w", secret.BindingOf(ctx, addr), secret.ErrNotFound)
	}
	return text, nil
}

// A store of your own may answer for many secrets at once. An App then makes one
// request in Start and one for each refresh.
func ExampleBatchStore() {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		texts := map[string]string{}
		for _, name := range r.URL.Query()["name"] {
			texts[name] = "the text of " + name
		}
		_ = json.NewEncoder(w).Encode(texts)
	}))
	defer server.Close()

	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	mail := secret.Static(secret.Options{Namespace: "mail", Name: "token", Binding: "MAIL_TOKEN"})
	app := secret.NewApp(secret.AppOptions{Store: &vault{server.URL}}).Use(stripe, mail)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	fmt.Println(stripe.Current().Text())
	fmt.Println(mail.Current().Text())
	fmt.Println(requests, "request")
	// Output:
	// the text of LAYERON_SECRET_BILLING_STRIPE_SECRET <nil>
	// the text of MAIL_TOKEN <nil>
	// 1 request
}
