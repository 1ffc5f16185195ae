package secret_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log"
	"sync"

	"github.com/layeron-hq/secret"
)

// macs caches a result for each accepted version. It must forget a
// version that is revoked or has expired.
type macs struct {
	key *secret.Secret

	mu   sync.Mutex
	byID map[string][]byte
}

// changed drops ended versions. A value that changed under its id is in no list,
// so it empties the cache.
func (m *macs) changed(c secret.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range c.Ended {
		delete(m.byID, id)
	}
	if c.CurrentChanged && c.Old == c.New {
		clear(m.byID)
	}
	fmt.Println("added", c.Added, "ended", c.Ended, "current", c.New, "changed", c.CurrentChanged)
}

// accepts reports whether the version is accepted.
func (m *macs) accepts(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID[id] != nil {
		return true
	}
	key, err := m.key.ActiveVersion(id).Bytes()
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("derived for this program"))
	m.byID[id] = mac.Sum(nil)
	return true
}

// A cache of accepted versions drops the ids in Ended. Here v1 is revoked:
// its expiry moves into the past.
func ExampleChange() {
	webhook := secret.Static(secret.Options{Namespace: "billing", Name: "webhook-key"})
	store := secret.NewMemory(map[string]string{"$SECRET.billing.webhook-key": "current=v2;v1=old;v2=new"})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(webhook)
	if err := app.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	cache := &macs{key: webhook, byID: map[string][]byte{}}
	done := make(chan struct{})
	app.OnChange(func(c secret.Change) {
		cache.changed(c)
		close(done)
	}, webhook)
	fmt.Println("v1 is accepted:", cache.accepts("v1"))

	store.Set("$SECRET.billing.webhook-key", "current=v2;v1=old;v1_expires=2026-01-01T00:00:00Z;v2=new")
	if err := app.Refresh(context.Background()); err != nil {
		log.Fatal(err)
	}
	<-done
	fmt.Println("v1 is accepted:", cache.accepts("v1"))
	// Output:
	// v1 is accepted: true
	// added [] ended [v1] current v2 changed false
	// v1 is accepted: false
}
