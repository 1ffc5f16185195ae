// Package r2 makes credentials for Cloudflare R2 buckets. It is the generator
// named [Name].
//
// The API token needs the permission Account > API Tokens > Edit (API Tokens
// Write).
package r2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cloudflare/cloudflare-go/v7/accounts"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/shared"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
)

// Name is the name of the generator in a declaration (secret.Options.Generator).
const Name = "cloudflare/r2-credentials"

// Generator is a [driver.Generator] of credentials for one R2 bucket, in the form
// that S3 clients need:
//
//	{"accessKeyId": …, "secretAccessKey": …, "endpoint": "https://ACCOUNT.r2.cloudflarestorage.com"}
//
// It has two params: bucket, a bucket in the default jurisdiction, and access,
// which is read or read-write. Both allow listing. A Generator is safe for
// concurrent use. It redacts the token under every format.
type Generator struct {
	client *cloudflareapi.Client
	tokens *accounts.TokenService
}

var _ driver.Generator = (*Generator)(nil)

// New returns a Generator. It sends no request. It returns an error if o is
// incomplete or malformed.
func New(o Options) (*Generator, error) {
	c, err := cloudflareapi.New(cloudflareapi.Options(o))
	if err != nil {
		return nil, err
	}
	return &Generator{client: c, tokens: accounts.NewTokenService()}, nil
}

// groups are the permission groups Workers R2 Storage Bucket Item Read and Write,
// by access. Write includes reading. Their ids are documented
// (developers.cloudflare.com/r2/api/tokens) and the same for every account. A
// lookup by name would need a second request in Make, and would fail after a group
// is renamed.
var groups = map[string]string{
	"read":       "6a018a9f2fc74eb6b293b0c548f38b39",
	"read-write": "2efd5506f9c8494dacb1fa10a3e7d5b6",
}

var (
	bucketForm    = lazyregexp.New(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	tokenNameForm = lazyregexp.New(`^[ -~]{1,120}$`)
)

func checkParams(params map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != "bucket" && name != "access" {
			return fmt.Errorf("cloudflare: %s takes no param %.64q: remove it", Name, name)
		}
	}
	if !bucketForm().MatchString(params["bucket"]) {
		return fmt.Errorf("cloudflare: the param bucket of %s is %.64q: a bucket's name has 3 to 63 of a-z, 0-9 and, "+
			"inside, -", Name, params["bucket"])
	}
	if groups[params["access"]] == "" {
		return fmt.Errorf("cloudflare: the param access of %s is %.64q: it can be read or "+
			"read-write", Name, params["access"])
	}
	return nil
}

// Make implements [driver.Generator]: it makes an API token with permission for
// this bucket only.
func (g *Generator) Make(ctx context.Context, name string, params map[string]string) (driver.Made, error) {
	if err := checkParams(params); err != nil {
		return driver.Made{}, driver.NotApplied(err)
	}
	if !tokenNameForm().MatchString(name) {
		return driver.Made{}, driver.NotApplied(errors.New("cloudflare: a token's name is 1 to 120 " +
			"printable characters of ASCII"))
	}
	var group shared.TokenPolicyPermissionGroupParam
	group.ID.Value, group.ID.Present = groups[params["access"]], true
	var policy shared.TokenPolicyParam
	policy.Effect.Value, policy.Effect.Present = shared.TokenPolicyEffectAllow, true
	policy.PermissionGroups.Value, policy.PermissionGroups.Present = []shared.TokenPolicyPermissionGroupParam{group},
		true
	policy.Resources.Present = true
	policy.Resources.Value = shared.TokenPolicyResourcesIAMResourcesTypeObjectStringParam{
		"com.cloudflare.edge.r2.bucket." + g.client.AccountID + "_default_" + params["bucket"]: "*",
	}
	var p accounts.TokenNewParams
	p.AccountID.Value, p.AccountID.Present = g.client.AccountID, true
	p.Name.Value, p.Name.Present = name, true
	p.Policies.Value, p.Policies.Present = []shared.TokenPolicyParam{policy}, true

	op := "make a token for bucket " + params["bucket"]
	var made *accounts.TokenNewResponse
	_, err := g.client.Do(ctx, op, cloudflareapi.EditTokens,
		func(ctx context.Context, opts ...option.RequestOption) (err error) {
			made, err = g.tokens.New(ctx, p, opts...)
			return err
		})
	if err != nil {
		return driver.Made{}, err
	}
	if !cloudflareapi.IDForm().MatchString(made.ID) || made.Value == "" {
		return driver.Made{}, &cloudflareapi.Failure{Op: op, Detail: "the answer holds no usable token"}
	}
	key := sha256.Sum256([]byte(made.Value))
	text, err := json.Marshal(struct {
		AccessKeyID     string `json:"accessKeyId"`
		SecretAccessKey string `json:"secretAccessKey"`
		Endpoint        string `json:"endpoint"`
	}{made.ID, hex.EncodeToString(key[:]), "https://" + g.client.AccountID + ".r2.cloudflarestorage.com"})
	if err != nil {
		return driver.Made{}, &cloudflareapi.Failure{Op: op, Detail: "the answer holds no usable token"}
	}
	return driver.Made{Value: driver.NewValue(string(text)), ID: made.ID}, nil
}

// Retire implements [driver.Generator]: it deletes the token.
func (g *Generator) Retire(ctx context.Context, id string) error {
	if !cloudflareapi.IDForm().MatchString(id) {
		return driver.NotApplied(errors.New("cloudflare: the id of a token is 32 hexadecimal digits"))
	}
	var p accounts.TokenDeleteParams
	p.AccountID.Value, p.AccountID.Present = g.client.AccountID, true
	_, err := g.client.Do(ctx, "delete the token "+id, cloudflareapi.EditTokens,
		func(ctx context.Context, opts ...option.RequestOption) error {
			_, err := g.tokens.Delete(ctx, id, p, opts...)
			return err
		})
	if f := (*cloudflareapi.Failure)(nil); errors.As(err, &f) && f.Gone() {
		return nil
	}
	return err
}

// Sweep implements [driver.Generator]. It lists the account's tokens, fifty with
// one request. It deletes each token that has one of the names and no known id,
// with one request each.
func (g *Generator) Sweep(ctx context.Context, names, known []string) error {
	if len(names) == 0 {
		return nil
	}
	ctx = g.client.Call(ctx)
	var stray []string
	err := g.client.Pages(ctx, "list the API tokens", cloudflareapi.EditTokens,
		func(ctx context.Context, page int64, opts ...option.RequestOption) (int, error) {
			var p accounts.TokenListParams
			p.AccountID.Value, p.AccountID.Present = g.client.AccountID, true
			p.PerPage.Value, p.PerPage.Present = 50, true
			p.Page.Value, p.Page.Present = float64(page), true
			p.Direction.Value, p.Direction.Present = accounts.TokenListParamsDirectionAsc, true
			res, err := g.tokens.List(ctx, p, opts...)
			if err != nil {
				return 0, err
			}
			for _, t := range res.Result {
				if slices.Contains(names, t.Name) && !slices.Contains(known, t.ID) && !slices.Contains(stray, t.ID) {
					stray = append(stray, t.ID)
				}
			}
			return len(res.Result), nil
		})
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range stray {
		errs = append(errs, g.Retire(ctx, id))
	}
	return errors.Join(errs...)
}

// String names the account.
func (g *Generator) String() string { return "R2 credentials of " + g.client.String() }

// Format writes the result of String under every verb and flag.
func (g *Generator) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, g.String()) }
