package etcd_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/etcd"
)

// An App reads from etcd, and is notified of every change.
func ExampleOpenStore() {
	store, err := etcd.OpenStore(context.Background(), etcd.Options{
		Endpoints: []string{"https://etcd-1:2379", "https://etcd-2:2379", "https://etcd-3:2379"},
		Workspace: "acme", Project: "shop", Environment: "production",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	sessionKey := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})
	app := secret.NewApp(secret.AppOptions{Store: store}).Use(sessionKey)
	defer app.Close() // call Start here: it loads the declared secrets
	fmt.Println(store)
	fmt.Println(store.Locate(sessionKey.Address()))
	// Output:
	// etcd /layer/acme/shop/production/
	// etcd key /layer/acme/shop/production/LAYERON_SECRET_AUTH_SESSION_KEY
}

// An App calls GetAll for all its secrets. A program may do so too: an address
// without a text is not found, and beside an error it has failed. No etcd listens
// here, so the context of this example has ended.
func ExampleStore_GetAll() {
	store, err := etcd.OpenStore(context.Background(), etcd.Options{
		Endpoints: []string{"https://etcd-1:2379", "https://etcd-2:2379", "https://etcd-3:2379"},
		Workspace: "acme", Project: "shop", Environment: "production",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	sessionKey := secret.Address{Namespace: "auth", Name: "session-key"}
	texts, err := store.GetAll(ctx, []secret.Address{sessionKey})
	_, found := texts[sessionKey]
	switch {
	case found:
		fmt.Println("it has a text")
	case err == nil:
		fmt.Println("it has no text")
	default:
		fmt.Println("it cannot be read:", err)
	}
	// Output: it cannot be read: context canceled
}

// The engine of package rotate publishes through a Publisher. This is one of its
// requests. If etcd requires a user, set Username and Password to a user that may
// write.
func ExampleOpenPublisher() {
	publisher, err := etcd.OpenPublisher(context.Background(), etcd.Options{
		Endpoints: []string{"https://etcd-1:2379", "https://etcd-2:2379", "https://etcd-3:2379"},
		Workspace: "acme", Project: "shop", Environment: "production",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer publisher.Close()
	publish := func(ctx context.Context, binding, text, note string) error {
		errs := publisher.Publish(ctx, []driver.Item{{Name: binding, Text: driver.NewValue(text), Note: note}})
		return errors.Join(errs...)
	}
	_ = publish
	fmt.Println(publisher)
	// Output: etcd /layer/acme/shop/production/
}

func ExampleParseURL() {
	o, err := etcd.ParseURL("etcd://etcd-1:2379,etcd-2:2379,etcd-3:2379")
	fmt.Println(o.Endpoints, err)
	// An address with a credential is refused. The error does not repeat it.
	_, err = etcd.ParseURL("etcd://writer:madeup@etcd-1:2379")
	fmt.Println(err != nil)
	// Output:
	// [etcd-1:2379 etcd-2:2379 etcd-3:2379] <nil>
	// true
}
