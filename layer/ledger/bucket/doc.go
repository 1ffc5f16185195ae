// Package bucket stores a ledger in a bucket of S3 or R2, for a team that needs
// more than a file:
//
//	o, err := bucket.ParseURL("s3://acme-ledgers/shop?endpoint=https://ACCOUNT.r2.cloudflarestorage.com")
//	…
//	o.AccessKeyID, o.SecretAccessKey, o.Identities = id, rotate.NewValue(key), identities
//	ledger, err := bucket.Open(ctx, o)
//
// The ledger is one object, <prefix>/ledger.age, encrypted with age. Every change
// is one conditional PUT, so the server must honor If-Match and If-None-Match. AWS
// S3, Cloudflare R2, MinIO and versitygw do. [Open] tests the server, and refuses
// one that ignores the conditions.
//
// The credential needs permission to get and put the two objects
// <prefix>/ledger.age and <prefix>/probe. On AWS it also needs permission to list
// the bucket: otherwise AWS answers 403 for a missing object. The endpoint must be
// the server itself, never a CDN, a replica, a public r2.dev address or a custom
// domain: a stale answer would look like a fresh one. A bucket that keeps old
// versions of objects keeps the old values. Anyone who could open the ledger then
// can still read them.
//
// Every PUT has a Content-MD5 header, which a bucket with Object Lock requires.
package bucket
