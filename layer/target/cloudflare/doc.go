// Package cloudflare publishes secrets to Cloudflare's Secrets Store. [NewStore]
// returns its [driver.Publisher]:
//
//	store, err := cloudflare.NewStore(cloudflare.Options{
//		AccountID: os.Getenv("CLOUDFLARE_ACCOUNT_ID"),
//		Token:     driver.NewValue(os.Getenv("CLOUDFLARE_API_TOKEN")),
//	})
//
// The package itself reads no environment variables, and sends no request before
// the first call. The API token needs the permission Account > Secrets Store >
// Edit (Secrets Store Write).
package cloudflare
