package recipes

import (
	"context"

	"github.com/layeron-hq/secret"
)

// recipe: mount

var stripeKey = secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})

func startMounted(ctx context.Context, folder string) (*secret.App, error) {
	app := secret.NewApp(secret.AppOptions{Store: secret.Dir(folder)}).Use(stripeKey)
	return app, app.Start(ctx)
}

// end
