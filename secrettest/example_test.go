package secrettest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/secrettest"
)

// sessionKey is a declaration of the program under test.
var sessionKey = secret.Static(secret.Options{Namespace: "auth", Name: "session-key"})

// signingKey is a function of the program under test.
func signingKey() string {
	text, err := sessionKey.Current().Text()
	if err != nil {
		return err.Error()
	}
	return text
}

// A test gives the program's own declaration a value, and no environment is
// touched.
func ExampleSet() {
	t := new(testing.T) // the argument of the test function

	store := secrettest.Set(t, sessionKey, "first")
	fmt.Println(signingKey())
	store.Set("$SECRET.auth.session-key", "second")
	fmt.Println(signingKey())
	// Output:
	// first
	// second
}

// One store for several secrets of the program.
func ExampleSwap() {
	t := new(testing.T) // the argument of the test function

	secrettest.Swap(t, secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "swapped"}), sessionKey)
	fmt.Println(signingKey())
	// Output: swapped
}

// A test of a whole program: after the test sessionKey reads as before, and
// holds no document of the App.
func ExampleSwap_app() {
	t := new(testing.T) // the argument of the test function

	secrettest.Swap(t, secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "swapped"}), sessionKey)
	app := secret.NewApp(secret.AppOptions{}).Use(sessionKey)
	fmt.Println(app.Start(context.Background()))
	defer app.Close()
	fmt.Println(signingKey())
	// Output:
	// <nil>
	// swapped
}

// The two halves of a rotation. In a bubble of testing/synctest a sleep of the
// overlap lets the old version expire.
func ExampleAnnounce() {
	t := new(testing.T) // the argument of the test function

	store := secrettest.Set(t, sessionKey, "first")
	id := secrettest.Announce(t, store, sessionKey, "second", time.Now().Add(time.Hour))
	active, err := sessionKey.Active()
	fmt.Println("announced", id+":", signingKey(), len(active), err)

	secrettest.Flip(t, store, sessionKey, time.Hour)
	active, err = sessionKey.Active()
	fmt.Println("current", id+":", signingKey(), len(active), err)
	// Output:
	// announced v2: first 2 <nil>
	// current v2: second 2 <nil>
}

// The end of a rotation: the store no longer has the expired version.
func ExamplePrune() {
	t := new(testing.T) // the argument of the test function

	store := secrettest.Set(t, sessionKey, "current=v2;v1=first;v1_expires=2026-01-01T00:00:00Z;v2=second")
	_, err := sessionKey.Version("v1").Text()
	fmt.Println(err)

	secrettest.Prune(t, store, sessionKey)
	_, err = sessionKey.Version("v1").Text()
	fmt.Println(errors.Is(err, secret.ErrVersionNotFound))
	// Output:
	// <nil>
	// true
}
