package main

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/request"
	"github.com/aws/aws-sdk-go/service/secretsmanager"
	"github.com/aws/aws-sdk-go/service/secretsmanager/secretsmanageriface"
	"github.com/aws/aws-secretsmanager-caching-go/secretcache"
	"github.com/tailscale/setec/client/setec"
	"github.com/tailscale/setec/types/api"
	"gocloud.dev/runtimevar"
	"gocloud.dev/runtimevar/filevar"

	"github.com/layeron-hq/secret"
)

const variable = "LAYERON_SECRET_DEFAULT_BENCHMARK"

// peers holds one value, warm, in every library that is measured.
type peers struct {
	atomic  atomic.Pointer[string]
	updater *setec.Updater[string]
	setec   setec.Secret
	file    *runtimevar.Variable
	aws     *secretcache.Cache
	own     map[int]*secret.Secret // by the number of versions

	closers []func() error
}

// newPeers opens every library, with a value that it has read.
func newPeers(ctx context.Context) (*peers, error) {
	p := new(peers)
	for _, open := range []func(context.Context) error{p.openPlain, p.openSetec, p.openFile, p.openAWS,
		p.openOwn} {
		if err := open(ctx); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *peers) close() {
	for _, c := range p.closers {
		_ = c() // the process ends here
	}
}

func (p *peers) openPlain(context.Context) error {
	value := valueOf(3)
	p.atomic.Store(&value)
	return os.Setenv(variable, value)
}

// setecServer is a server without changes.
type setecServer struct{}

func (setecServer) Get(context.Context, string) (*api.SecretValue, error) {
	return &api.SecretValue{Value: []byte(valueOf(3)), Version: 1}, nil
}

func (setecServer) GetIfChanged(context.Context, string, api.SecretVersion) (*api.SecretValue, error) {
	return nil, api.ErrValueNotChanged
}

func (p *peers) openSetec(ctx context.Context) error {
	store, err := setec.NewStore(ctx, setec.StoreConfig{Client: setecServer{}, Secrets: []string{variable},
		PollInterval: -1,
		Logf:         func(string, ...any) {}})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, store.Close)
	p.setec = store.Secret(variable)
	p.updater, err = setec.NewUpdater(ctx, store, variable, func(b []byte) (string, error) { return string(b), nil })
	return err
}

func (p *peers) openFile(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "benchmarks")
	if err != nil {
		return err
	}
	p.closers = append(p.closers, func() error { return os.RemoveAll(dir) })
	path := filepath.Join(dir, "value")
	if err := os.WriteFile(path, []byte(valueOf(3)), 0o600); err != nil {
		return err
	}
	if p.file, err = filevar.OpenVariable(path, runtimevar.StringDecoder, nil); err != nil {
		return err
	}
	p.closers = append(p.closers, p.file.Close)
	_, err = p.file.Latest(ctx) // waits for the first value
	return err
}

// awsServer answers the two calls that the cache makes.
type awsServer struct {
	secretsmanageriface.SecretsManagerAPI
}

func (awsServer) DescribeSecretWithContext(aws.Context, *secretsmanager.DescribeSecretInput,
	...request.Option) (*secretsmanager.DescribeSecretOutput, error) {
	return &secretsmanager.DescribeSecretOutput{VersionIdsToStages: map[string][]*string{"id": {aws.String("AWSCURRENT")}}}, nil
}

func (awsServer) GetSecretValueWithContext(aws.Context, *secretsmanager.GetSecretValueInput,
	...request.Option) (*secretsmanager.GetSecretValueOutput, error) {
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(valueOf(3))}, nil
}

func (p *peers) openAWS(context.Context) (err error) {
	p.aws, err = secretcache.New(func(c *secretcache.Cache) {
		c.Client, c.CacheItemTTL = awsServer{}, int64(24*time.Hour) // longer than any run: no refresh is measured
	})
	if err == nil {
		_, err = p.aws.GetSecretString(variable)
	}
	return err
}
