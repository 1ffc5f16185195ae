package secret_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
)

// A program that works without a secret declares it Optional: the App starts,
// and the feature is on while there is a value.
func ExampleOptions_optional() {
	webhook := secret.Static(secret.Options{Namespace: "billing", Name: "webhook", Optional: true})
	store := secret.NewMemory(nil)
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1}).Use(webhook)
	if err := app.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	defer app.Close()

	deliver := func() {
		_, err := webhook.Current().Text() // from memory
		switch {
		case errors.Is(err, secret.ErrNotFound):
			fmt.Println("webhooks are off")
		case err != nil:
			fmt.Println("webhooks fail:", err)
		default:
			fmt.Println("webhooks are on")
		}
	}
	deliver()
	store.Set("$SECRET.billing.webhook", "madeup_Yd25kQx8Rf")
	if err := app.Refresh(context.Background()); err != nil {
		fmt.Println(err)
	}
	deliver()
	// Output:
	// webhooks are off
	// webhooks are on
}

// A test gives a library that takes a *Secret a text of its own.
func ExampleLiteral() {
	newClient := func(key *secret.Secret) error { // in the library
		text, err := key.Current().Text()
		fmt.Println(len(text), err)
		return err
	}
	_ = newClient(secret.Literal("madeup_Yd25kQx8Rf"))

	key := secret.Literal("current=v2;v1=old;v2=new")
	old, err := key.Version("v1").Text()
	fmt.Println(old, err)
	fmt.Println(secret.Literal("").Err())
	// Output:
	// 17 <nil>
	// old <nil>
	// secret: declare: empty: nothing is stored but white space
}

// A value set by hand comes before the one in the mounted folder. An error of
// the first store ends the search.
func ExampleChain() {
	override := secret.NewMemory(nil)
	mounted := secret.NewMemory(map[string]string{"$SECRET.billing.stripe": "published"})
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe", Store: secret.Chain(override, mounted)})

	fmt.Println(stripe.Current().Text())
	override.Set("$SECRET.billing.stripe", "by hand")
	fmt.Println(stripe.Current().Text())
	override.Fail(errors.New("connection refused"))
	_, err := stripe.Current().Text()
	fmt.Println(err)
	// Output:
	// published <nil>
	// by hand <nil>
	// secret: load $SECRET.billing.stripe: store 1 of 2 in the Chain (memory store, LAYERON_SECRET_BILLING_STRIPE): connection refused
}
