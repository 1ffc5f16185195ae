package bucket_test

import (
	"context"
	"fmt"
	"os"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/ledger/bucket"
	"github.com/layeron-hq/secret/layer/rotate"
)

func ExampleParseURL() {
	o, err := bucket.ParseURL("s3://acme-ledgers/shop?endpoint=https://s3.eu-central-1.amazonaws.com&region=eu-central-1")
	fmt.Println(o.Bucket, o.Prefix, o.Region, err)
	// An address with a credential is refused. The error does not repeat it.
	_, err = bucket.ParseURL("s3://AKIAEXAMPLE:madeup@acme-ledgers/shop?endpoint=https://s3.eu-central-1.amazonaws.com")
	fmt.Println(err != nil)
	// Output:
	// acme-ledgers shop eu-central-1 <nil>
	// true
}

// A ledger in a bucket is used like a ledger in a file.
func ExampleOpen() {
	open := func(ctx context.Context, url string) (rotate.Ledger, error) {
		o, err := bucket.ParseURL(url)
		if err != nil {
			return nil, err
		}
		o.AccessKeyID = os.Getenv("AWS_ACCESS_KEY_ID")
		o.SecretAccessKey = driver.NewValue(os.Getenv("AWS_SECRET_ACCESS_KEY"))
		o.SessionToken = driver.NewValue(os.Getenv("AWS_SESSION_TOKEN"))
		if o.Identities, _, err = ledger.IdentitiesFromEnv(); err != nil {
			return nil, err
		}
		return bucket.Open(ctx, o)
	}
	_ = open
}
