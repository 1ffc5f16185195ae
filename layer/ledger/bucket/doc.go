// Package bucket keeps a ledger in a bucket of S3 or R2, for a team that has outgrown a file:
//
//	o, err := bucket.ParseURL("s3://acme-ledgers/shop?endpoint=https://ACCOUNT.r2.cloudflarestorage.com")
//	…
//	o.AccessKeyID, o.SecretAccessKey, o.Identities = id, rotate.NewValue(key), identities
//	ledger, err := bucket.Open(ctx, o)
//
// The ledger is one object, <prefix>/ledger.age, encrypted with age. Every change is one conditional PUT, so the server must
// honour If-Match and If-None-Match: AWS S3, Cloudflare R2, MinIO and versitygw do. [Open] tries it out, and refuses a server
// that does not.
//
// The credential needs to get and put the two objects <prefix>/ledger.age and <prefix>/probe; on AWS also to list the bucket,
// since a missing object is otherwise answered as a forbidden one. The endpoint must be the server itself, never a CDN, a
// replica, a public r2.dev address or a custom domain: a stale answer could not be told from a fresh one. A bucket that keeps
// old versions of objects keeps old values, readable for whoever could read them then.
//
// Every PUT has a Content-MD5, which a bucket with Object Lock asks for.
package bucket
