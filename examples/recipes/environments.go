package recipes

import "github.com/layeron-hq/secret"

// recipe: environments

func newApp(environment string, store secret.Store) *secret.App {
	return secret.NewApp(secret.AppOptions{
		Store:       store,
		Workspace:   "acme",
		Project:     "shop",
		Environment: environment, // "staging" or "production"
	}).Use(stripeKey)
}

// end
