package secret_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/layeron-hq/secret"
)

// A service with several secrets: Start loads them all, and reads then return
// from memory. In production the store is Dir, Env or that of a server.
func ExampleApp() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	sessionKey := secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 16})

	app := secret.NewApp(secret.AppOptions{Store: secret.NewMemory(map[string]string{
		"$SECRET.billing.stripe-secret": "sk_test_xxx",
		"$SECRET.auth.session-key":      "00112233445566778899aabbccddeeff",
	})})
	app.Use(stripe, sessionKey)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	apiKey, err := stripe.Current().Text()
	fmt.Println(apiKey, err)
	key, err := sessionKey.Current().Bytes()
	fmt.Println(len(key), err)
	// Output:
	// sk_test_xxx <nil>
	// 16 <nil>
}

// The error of Start lists every problem, a line each, and contains no value.
func ExampleApp_Start() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	sessionKey := secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 16})

	store := secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "0011"}) // two bytes
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(stripe, sessionKey)
	err := app.Start(context.Background()) // a program ends here: log.Fatal(err)
	fmt.Println("a value is missing:", errors.Is(err, secret.ErrNotFound))
	fmt.Println("a key has another length:", errors.Is(err, secret.ErrEncoding))
	// Output:
	// a value is missing: true
	// a key has another length: true
}

// If the context has a deadline, Start loads again while a store is out of reach.
func ExampleApp_Start_deadline() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_test_xxx"})
	store.Fail(errors.New("connection refused"))
	time.AfterFunc(10*time.Millisecond, func() { store.Fail(nil) }) // the store comes back

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	app := secret.NewApp(secret.AppOptions{Store: store, Logger: silence}).Use(stripe)
	if err := app.Start(ctx); err != nil {
		log.Fatal(err) // the last error of each secret
	}
	defer app.Close()
	fmt.Println(stripe.Current().Text())
	// Output: sk_test_xxx <nil>
}

// An App reads its store every minute. Refresh reads it now, for example when
// an operator sends a signal.
func ExampleApp_Refresh() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "old"})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(stripe)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	store.Set("$SECRET.billing.stripe-secret", "new")
	if err := app.Refresh(context.Background()); err != nil {
		log.Println(err) // the secrets in the error keep their last values
	}
	fmt.Println(stripe.Current().Text())
	// Output: new <nil>
}

// After Close reads return the last values.
func ExampleApp_Close() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "last"})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(stripe)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}

	fmt.Println(app.Close())
	store.Delete("$SECRET.billing.stripe-secret")
	fmt.Println(stripe.Current().Text())
	// Output:
	// <nil>
	// last <nil>
}

// OnChange is for a part of the program that is made from a secret and kept,
// such as a pool of connections or a certificate.
func ExampleApp_OnChange() {
	password := secret.Static(secret.Options{Namespace: "billing", Name: "db-password"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.db-password": "current=v1;v1=old"})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(password)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	changes := make(chan secret.Change)
	app.OnChange(func(c secret.Change) {
		if c.CurrentChanged {
			changes <- c // a program would reset its pool here
		}
	}, password)

	store.Set("$SECRET.billing.db-password", "current=v2;v1=old;v2=new") // a rotation
	if err := app.Refresh(context.Background()); err != nil {
		log.Println(err)
	}
	c := <-changes
	fmt.Println(c.Address, "from", c.Old, "to", c.New)
	// Output: $SECRET.billing.db-password from v1 to v2
}

// Status is for a monitor, and package statushttp serves it. OK is false where
// a secret needs a person.
func ExampleApp_Status() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{
		"$SECRET.billing.stripe-secret": "current=v1;v1=sk_test_xxx;v1_expires=2026-01-01T00:00:00Z",
	})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(stripe)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	status := app.Status()
	fmt.Println("ok:", status.OK)
	for _, s := range status.Secrets {
		fmt.Println(s.Address, s.Current)
		for _, warning := range s.Warnings {
			fmt.Println(warning.Code, warning.Version)
		}
	}
	// Output:
	// ok: false
	// $SECRET.billing.stripe-secret v1
	// current_expired v1
}

// A secret without a store is read from the environment variable named like its
// binding.
func ExampleEnv() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	fmt.Println(stripe.Binding())

	os.Setenv("LAYERON_SECRET_BILLING_STRIPE_SECRET", "sk_test_xxx") // a shell or a container does this
	defer os.Unsetenv("LAYERON_SECRET_BILLING_STRIPE_SECRET")
	fmt.Println(stripe.Current().Text())

	// Env is also the store of an App that names none.
	app := secret.NewApp(secret.AppOptions{Store: secret.Env()}).Use(stripe)
	fmt.Println(app.Start(context.Background()))
	fmt.Println(app.Close())
	// Output:
	// LAYERON_SECRET_BILLING_STRIPE_SECRET
	// sk_test_xxx <nil>
	// <nil>
	// <nil>
}

// A program that starts while its store is out of reach gets the values that the
// store confirmed for the last run. A program would name a directory that stays,
// and encrypt it with keyring.SealCache.
func ExampleDirCache() {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_test_xxx"})
	run := func() {
		stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
		app := secret.NewApp(secret.AppOptions{Store: store, Cache: secret.DirCache(folder),
			Logger: slog.New(slog.DiscardHandler)}).Use(stripe)
		if err := app.Start(context.Background()); err != nil {
			log.Fatal(err)
		}
		defer app.Close()
		text, err := stripe.Current().Text()
		fmt.Println(text, err, "from the cache:", !app.Status().Secrets[0].CachedAt.IsZero())
	}
	run()
	store.Fail(errors.New("connection refused"))
	run()
	// Output:
	// sk_test_xxx <nil> from the cache: false
	// sk_test_xxx <nil> from the cache: true
}

// mapCache is a Cache of a program, such as one over a database on the same
// machine.
type mapCache struct{ entries sync.Map }

func (c *mapCache) Get(_ context.Context, addr secret.Address) (string, error) {
	entry, ok := c.entries.Load(addr)
	if !ok {
		return "", fmt.Errorf("%w: no entry of %s", secret.ErrNotFound, addr)
	}
	return entry.(string), nil
}

func (c *mapCache) Put(_ context.Context, addr secret.Address, text string) error {
	c.entries.Store(addr, text)
	return nil
}

// A Cache of another kind has two methods. The App writes entries in the
// background, and Close waits for them.
func ExampleCache() {
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_test_xxx"})
	cache := new(mapCache)
	app := secret.NewApp(secret.AppOptions{Store: store, Cache: cache}).Use(stripe)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := app.Close(); err != nil {
		log.Fatal(err)
	}
	_, err := cache.Get(context.Background(), stripe.Address())
	fmt.Println(err)
	// Output: <nil>
}
