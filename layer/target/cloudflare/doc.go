// Package cloudflare publishes secrets to Cloudflare's Secrets Store, and makes credentials for its R2 buckets.
//
// [NewStore] gives a [driver.Publisher], [NewR2Generator] the [driver.Generator] of the name [R2Credentials]:
//
//	o := cloudflare.Options{AccountID: os.Getenv("CLOUDFLARE_ACCOUNT_ID"), Token: rotate.NewValue(os.Getenv("CLOUDFLARE_API_TOKEN"))}
//	store, err := cloudflare.NewStore(o)
//
// Nothing is read from the environment by itself, and nothing is sent before the first call.
//
// The API's token needs the permission Account > Secrets Store > Edit (Secrets Store Write); to make credentials, also
// Account > API Tokens > Edit (API Tokens Write).
package cloudflare
