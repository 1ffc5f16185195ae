package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// In a program the values come from its store, and `layer secret` makes them.
var (
	sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key",
		Store: secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "current=v2;v1=" + hexKey(1) + ";v2=" +
			hexKey(2)})})
	recordKey = secret.Random(secret.Options{Namespace: "storage", Name: "encryption-key",
		Store: secret.NewMemory(map[string]string{"$SECRET.storage.encryption-key": "current=v1;v1=" + hexKey(3)})})
)

func ExampleSigner() {
	cookies := keyring.NewSigner(sessionKey, "session cookie")
	token, err := cookies.Sign([]byte("ann"), time.Now().Add(12*time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	user, err := cookies.Verify(context.Background(), token)
	fmt.Println(string(user), err)

	resets := keyring.NewSigner(sessionKey, "password reset") // the same secret, other keys
	_, err = resets.Verify(context.Background(), token)
	fmt.Println(errors.Is(err, keyring.ErrInvalidToken))
	// Output:
	// ann <nil>
	// true
}

func ExampleSealer() {
	records := keyring.NewSealer(recordKey, "customer record")
	sealed, err := records.Seal([]byte("iban"), []byte("customer 42"))
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := records.Open(context.Background(), sealed, []byte("customer 42"))
	fmt.Println(string(plain), err)

	_, err = records.Open(context.Background(), sealed, []byte("customer 43"))
	fmt.Println(errors.Is(err, keyring.ErrOpen))
	// Output:
	// iban <nil>
	// true
}

// A record that an old version sealed is sealed again when it is read. When
// none is stale, no record needs an old version.
func ExampleSealer_Stale() {
	store := secret.NewMemory(map[string]string{"$SECRET.storage.encryption-key": "current=v1;v1=" + hexKey(3)})
	records := keyring.NewSealer(recordKey.With(store), "customer record")
	sealed, _ := records.Seal([]byte("iban"), nil)

	store.Set("$SECRET.storage.encryption-key", "current=v2;v1="+hexKey(3)+";v2="+hexKey(4)) // a rotation
	plain, err := records.Open(context.Background(), sealed, nil)
	if err == nil && records.Stale(sealed) {
		if again, err := records.Seal(plain, nil); err == nil {
			sealed = again
		}
	}
	fmt.Println(string(plain), records.Stale(sealed))
	// Output: iban false
}

func ExampleVerifyHMAC() {
	webhookSecret := secret.Static(secret.Options{Namespace: "billing", Name: "webhook-secret",
		Store: secret.NewMemory(map[string]string{"$SECRET.billing.webhook-secret": "current=v2;v1=whsec-first;v2=" +
			"whsec-second"})})
	body := []byte(`{"event":"paid"}`)
	mac := hmacOf([]byte("whsec-first"), body) // the sender has not changed keys yet
	fmt.Println(keyring.VerifyHMAC(webhookSecret, body, mac))
	// Output: <nil>
}

// A JWT library asks for the key that a token names in its header. With
// golang-jwt:
//
//	token, err := jwt.Parse(text, func(t *jwt.Token) (any, error) {
//		kid, _ := t.Header["kid"].(string)
//		v, err := keyring.Find(ctx, jwtKey, kid)
//		if err != nil {
//			return nil, err    // err of Parse wraps it
//		}
//		return v.Bytes()
//	}, jwt.WithValidMethods([]string{"HS256"}))    // never the method that the token names
//
// and to sign, put the version's id into the header:
//
//	v, err := jwtKey.Current().Get(ctx)
//	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
//	t.Header["kid"] = v.ID
func ExampleFind() {
	ctx := context.Background()
	store := secret.NewMemory(map[string]string{"$SECRET.auth.jwt-key": "current=v2;v1=" + hexKey(1) + ";v2=" +
		hexKey(2)})
	jwtKey := secret.Random(secret.Options{Namespace: "auth", Name: "jwt-key"})
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).Use(jwtKey)
	if err := app.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()
	status := func(kid string) int {
		_, err := keyring.Find(ctx, jwtKey, kid)
		switch {
		case errors.Is(err, keyring.ErrInvalidToken):
			return http.StatusUnauthorized
		case err != nil:
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}

	// Another machine already uses v3. The store is asked for it.
	store.Set("$SECRET.auth.jwt-key", "current=v3;v2="+hexKey(2)+";v3="+hexKey(3))
	for _, kid := range []string{"v2", "v3", "v1", "v4", ""} {
		fmt.Println(strings.TrimSpace("kid "+kid)+":", status(kid))
	}
	// Output:
	// kid v2: 200
	// kid v3: 200
	// kid v1: 401
	// kid v4: 401
	// kid: 401
}

// An unknown id may belong to a key, as long as the store cannot be asked.
func ExampleFind_outage() {
	ctx := context.Background()
	store := secret.NewMemory(map[string]string{"$SECRET.auth.jwt-key": hexKey(1)})
	jwtKey := secret.Random(secret.Options{Namespace: "auth", Name: "jwt-key"})
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).Use(jwtKey)
	if err := app.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()

	outage := errors.New("no route to the store")
	store.Fail(outage)
	_, err := keyring.Find(ctx, jwtKey, "v1")
	fmt.Println("v1:", err)
	_, err = keyring.Find(ctx, jwtKey, "v2")
	fmt.Println("v2:", errors.Is(err, keyring.ErrInvalidToken), errors.Is(err, outage))
	// Output:
	// v1: <nil>
	// v2: false true
}

// The key of a cache is in a store that needs no network, such as the
// environment. A directory that is given to another user then shows no value.
func ExampleSealCache() {
	cacheKey := secret.Random(secret.Options{Namespace: "shop", Name: "cache-key",
		Store: secret.NewMemory(map[string]string{"$SECRET.shop.cache-key": hexKey(7)})}) // in a program secret.Env()
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	app := secret.NewApp(secret.AppOptions{Cache: keyring.SealCache(secret.DirCache(folder), cacheKey)}).Use(sessionKey)
	fmt.Println(app.Start(context.Background()))
	fmt.Println(app.Close())
	entry, err := os.ReadFile(filepath.Join(folder, "secret.auth.session-key"))
	fmt.Println(err, strings.Contains(string(entry), hexKey(2)))
	// Output:
	// <nil>
	// <nil>
	// <nil> false
}
