package secret_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

func keyPair(docs ...*secret.Document) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(docs[0].Current().Text()), []byte(docs[1].Current().Text()))
	return &pair, err
}

// TestPairThatChangesASecondApartNeverBreaksAReader is the reason for the last
// good value: certificate and key are two secrets, and for a second they do not
// match.
func TestPairThatChangesASecondApartNeverBreaksAReader(t *testing.T) {
	const rotations = 10
	var certificates, keys [rotations]string
	for i := range rotations {
		certificates[i], keys[i] = selfSigned(int64(i))
	}
	for name, tc := range map[string]struct {
		apps, refresh int
	}{"one App": {apps: 1}, "two Apps": {apps: 2}, "one App that polls": {apps: 1, refresh: 3}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				certificate, key := static("tls-certificate"), static("tls-key")
				memory := secret.NewMemory(map[string]string{
					"$SECRET.app.tls-certificate": certificates[0], "$SECRET.app.tls-key": keys[0]})
				options := secret.AppOptions{Store: memory, Logger: silence}
				if tc.refresh > 0 {
					options.Store, options.Refresh = onlyStore{memory}, time.Duration(tc.refresh)*time.Second
				}
				app := secret.NewApp(options).Use(certificate)
				other := app
				if tc.apps == 2 {
					other = secret.NewApp(options)
					defer func() { require.NoError(t, other.Close()) }()
				}
				other.Use(key)
				requireStart(t, app)
				if other != app {
					require.NoError(t, other.Start(context.Background()))
				}
				d := secret.Derive(keyPair, certificate, key)
				_, err := d.Get(context.Background())
				require.NoError(t, err)
				var over atomic.Bool
				var readers sync.WaitGroup
				for i := range 8 {
					readers.Go(func() {
						last := int64(0)
						for !over.Load() && !t.Failed() {
							pair, err := d.Get(context.Background())
							if !assert.NoError(t, err) {
								return
							}
							public := pair.PrivateKey.(*ecdsa.PrivateKey).Public().(*ecdsa.PublicKey)
							assert.True(t, public.Equal(pair.Leaf.PublicKey), "the halves match")
							serial := pair.Leaf.SerialNumber.Int64()
							assert.LessOrEqual(t, last, serial, "no older pair follows")
							last = serial
							time.Sleep(time.Duration(i+29) * time.Millisecond)
						}
					})
				}
				for i := 1; i < rotations; i++ {
					halves := []func(){
						func() { memory.Set("$SECRET.app.tls-certificate", certificates[i]) },
						func() { memory.Set("$SECRET.app.tls-key", keys[i]) }}
					halves[i%2]()
					time.Sleep(time.Second)
					halves[1-i%2]()
					time.Sleep(4 * time.Second)
					pair, err := d.Get(context.Background())
					require.NoError(t, err)
					require.EqualValues(t, i, pair.Leaf.SerialNumber.Int64(), "the new pair is in use")
				}
				over.Store(true)
				readers.Wait()
				require.True(t, app.Status().OK)
			})
		})
	}
}

// onlyStore hides that a store is a Watcher.
type onlyStore struct{ secret.Store }

// TestDerivedReadsUnderLoad: refreshes as fast as they can be, and readers
// without a pause.
func TestDerivedReadsUnderLoad(t *testing.T) {
	const rotations = 200
	p, a, b := newProbe(), static("a"), static("b")
	p.set(a, "1000")
	p.set(b, "1000")
	app := secret.NewApp(secret.AppOptions{Store: p, Refresh: -1, Logger: silence}).Use(a, b)
	requireStart(t, app)
	var seen sync.Map
	d := secret.Derive(func(docs ...*secret.Document) (string, error) {
		x, y := docs[0].Current().Text(), docs[1].Current().Text()
		if _, before := seen.LoadOrStore(x+y, true); before {
			t.Error("called twice for the same documents")
		}
		if x != y {
			return "", errors.New("the halves do not match")
		}
		return x, nil
	}, a, b)
	requireDerived(t, "1000", d)
	var over atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := ""
			for !over.Load() && !t.Failed() {
				text, err := d.Get(context.Background())
				assert.NoError(t, err)
				assert.LessOrEqual(t, last, text)
				last = text
			}
		})
	}
	readers.Go(func() {
		for !over.Load() {
			app.Status()
		}
	})
	for i := range rotations {
		first, second := a, b
		if i%2 == 1 {
			first, second = b, a
		}
		p.set(first, fmt.Sprint(1001+i))
		require.NoError(t, first.Refresh(context.Background()))
		p.set(second, fmt.Sprint(1001+i))
		require.NoError(t, second.Refresh(context.Background()))
	}
	over.Store(true)
	readers.Wait()
	requireDerived(t, fmt.Sprint(1000+rotations), d)
}
