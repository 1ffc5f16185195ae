package recipes

import (
	"context"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// recipe: start

var (
	webhookKey = secret.Random(secret.Options{Namespace: "shop", Name: "webhook-key"})

	// cacheKey is in the environment, which needs no network. Do not give it to Use.
	cacheKey = secret.Random(secret.Options{Namespace: "shop", Name: "cache-key", Store: secret.Env()})
)

func startAnyway(ctx context.Context, store secret.Store, folder string) (*secret.App, error) {
	app := secret.NewApp(secret.AppOptions{
		Store:    store,
		MaxStale: 24 * time.Hour, // the age of the oldest value that is worth a start
		Cache:    keyring.SealCache(secret.DirCache(folder), cacheKey),
	}).Use(webhookKey)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // for a first start, without a cache
	defer cancel()
	return app, app.Start(ctx)
}

// end
