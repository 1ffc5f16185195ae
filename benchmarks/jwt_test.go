package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/keyring"
)

// The issuer and the audience of examples/jwks.
const (
	issuerName = "https://login.example.com"
	audience   = "https://api.example.com"
)

var parser = jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(issuerName),
	jwt.WithAudience(audience), jwt.WithExpirationRequired())

// seeds are the values of the versions v1 and v2.
var seeds = map[string][]byte{"v1": bytes.Repeat([]byte{1}, 32), "v2": bytes.Repeat([]byte{2}, 32)}

// login is a running examples/jwks, with its folder of secrets.
type login struct{ dir, url string }

func startLogin(t *testing.T) *login {
	t.Helper()
	program := filepath.Join(t.TempDir(), "jwks")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/layeron-hq/secret/examples/jwks")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := &login{dir: t.TempDir()}
	l.publish(t, "v1", secret.NewVersion("v1", seedText("v1"), time.Time{}, time.Time{}))
	run := exec.CommandContext(t.Context(), program, "-dir", l.dir, "-addr", "127.0.0.1:0")
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	run.Stderr = os.Stderr
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Wait() }) // t's context has ended
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	l.url = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	return l
}

func seedText(id string) string { return base64.RawURLEncoding.EncodeToString(seeds[id]) }

// publish replaces the stored text, as layer does.
func (l *login) publish(t *testing.T, current string, versions ...secret.Version) {
	t.Helper()
	doc, err := secret.NewDocument(current, versions...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := doc.Encode(secret.FormatJSON)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(l.dir, secret.Address{Namespace: "auth", Name: "token-seed"}.Binding())
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// token returns a token that the program has issued.
func (l *login) token() (string, error) {
	r, err := http.PostForm(l.url+"/token", url.Values{"user": {"ann"}})
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s, %w", r.Status, text, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// status returns the program's answer to a request with the token.
func (l *login) status(token string) (int, error) {
	r, err := http.NewRequest(http.MethodGet, l.url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

// keys returns the program's key set.
func (l *login) keys() (map[string]ed25519.PublicKey, error) {
	r, err := http.Get(l.url + "/.well-known/jwks.json")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	var set struct {
		Keys []struct{ Kty, Crv, Alg, Use, Kid, X string }
	}
	if err := json.NewDecoder(r.Body).Decode(&set); err != nil {
		return nil, err
	}
	keys := map[string]ed25519.PublicKey{}
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || k.Kty != "OKP" || k.Crv != "Ed25519" || k.Alg != "EdDSA" || k.Use != "sig" {
			return nil, fmt.Errorf("the key %+v: %w", k, err)
		}
		keys[k.Kid] = x
	}
	return keys, nil
}

// parse verifies a token with golang-jwt under a key set, and returns the id of
// its key.
func parse(token string, keys map[string]ed25519.PublicKey) (kid string, err error) {
	parsed, err := parser.Parse(token, func(t *jwt.Token) (any, error) {
		kid, _ = t.Header["kid"].(string)
		if key, ok := keys[kid]; ok {
			return key, nil
		}
		return nil, fmt.Errorf("the set has no key %q", kid)
	})
	if err != nil {
		return "", err
	}
	subject, err := parsed.Claims.GetSubject()
	if err != nil || subject != "ann" {
		return "", fmt.Errorf("the subject is %q: %w", subject, err)
	}
	return kid, nil
}

func claimsFor(audience string, life time.Duration) jwt.RegisteredClaims {
	return jwt.RegisteredClaims{Issuer: issuerName, Audience: jwt.ClaimStrings{audience}, Subject: "ann",
		ExpiresAt: jwt.NewNumericDate(time.Now().Add(life))}
}

// signedBy returns a token that golang-jwt has signed.
func signedBy(method jwt.SigningMethod, key any, kid string, claims jwt.Claims) (string, error) {
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	return token.SignedString(key)
}

// eventually waits until holds returns true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) || t.Failed() {
			t.Fatal("not in time: " + what)
		}
	}
}

// TestGolangJWTVerifiesThroughARotation runs examples/jwks. Clients get tokens
// and verify them with golang-jwt under the program's key set, and the program
// verifies those that golang-jwt signs, all concurrently, while the seed is
// announced, made current and pruned. No token is refused.
func TestGolangJWTVerifiesThroughARotation(t *testing.T) {
	l := startLogin(t)
	// A single string for the audience, as the program writes it.
	jwt.MarshalSingleStringAsArray = false
	t.Cleanup(func() { jwt.MarshalSingleStringAsArray = true })

	var rounds [4]atomic.Int64
	var byID sync.Map
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	for c := range rounds {
		clients.Go(func() {
			for ctx.Err() == nil {
				if err := l.round(&byID); err != nil {
					t.Error(err)
					return
				}
				rounds[c].Add(1)
			}
		})
	}
	// complete waits until each client has begun and ended n rounds.
	complete := func(n int64) {
		t.Helper()
		var want [len(rounds)]int64
		for c := range rounds {
			want[c] = rounds[c].Load() + n + 1
		}
		eventually(t, "rounds of all clients", func() bool {
			for c := range rounds {
				if rounds[c].Load() < want[c] {
					return false
				}
			}
			return true
		})
	}
	has := func(id string) bool {
		keys, err := l.keys()
		return err == nil && keys[id] != nil
	}

	v1 := secret.NewVersion("v1", seedText("v1"), time.Time{}, time.Time{})
	v2 := secret.NewVersion("v2", seedText("v2"), time.Now().Add(time.Hour), time.Time{})
	complete(20)
	l.publish(t, "v1", v1, v2)
	eventually(t, "v2 in the key set", func() bool { return has("v2") })
	complete(20)
	if _, used := byID.Load("v2"); used {
		t.Fatal("an announced key has signed")
	}
	v1.ExpiresAt, v2.ActiveFrom = time.Now().Add(time.Hour), time.Now()
	l.publish(t, "v2", v1, v2)
	eventually(t, "a token signed by v2", func() bool { _, used := byID.Load("v2"); return used })
	complete(20)
	l.publish(t, "v2", v2)
	eventually(t, "v1 out of the key set", func() bool { return !has("v1") })
	complete(20)
	stop()
	clients.Wait()

	l.requireRefusals(t)
}

// round gets a token, verifies it on both sides, and has the program verify one
// of golang-jwt's under the same key.
func (l *login) round(byID *sync.Map) error {
	token, err := l.token()
	if err != nil {
		return err
	}
	keys, err := l.keys()
	if err != nil {
		return err
	}
	kid, err := parse(token, keys)
	if err != nil {
		return err
	}
	byID.Store(kid, true)
	theirs, err := signedBy(jwt.SigningMethodEdDSA, ed25519.NewKeyFromSeed(seeds[kid]), kid,
		claimsFor(audience, time.Hour))
	if err != nil {
		return err
	}
	for _, token := range []string{token, theirs} {
		if status, err := l.status(token); err != nil || status != http.StatusOK {
			return fmt.Errorf("a token signed by %s: %d, %w", kid, status, err)
		}
	}
	return nil
}

// requireRefusals shows tokens that neither side accepts. The seed is v2, and
// v1 was pruned.
func (l *login) requireRefusals(t *testing.T) {
	t.Helper()
	keys, err := l.keys()
	if err != nil {
		t.Fatal(err)
	}
	pruned, own := ed25519.NewKeyFromSeed(seeds["v1"]), ed25519.NewKeyFromSeed(seeds["v2"])
	eddsa, good := jwt.SigningMethodEdDSA, claimsFor(audience, time.Hour)
	right, err := signedBy(eddsa, own, "v2", good)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := l.status(right); status != http.StatusOK {
		t.Fatal(status, err)
	}
	for name, c := range map[string]struct {
		method jwt.SigningMethod
		key    any
		kid    string
		claims jwt.Claims
	}{
		"pruned key":                  {eddsa, pruned, "v1", good},
		"another key":                 {eddsa, pruned, "v2", good},
		"unknown kid":                 {eddsa, own, "v9", good},
		"no kid":                      {eddsa, own, "", good},
		"HMAC under the public key":   {jwt.SigningMethodHS256, []byte(keys["v2"]), "v2", good},
		"unsigned":                    {jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "v2", good},
		"for another service":         {eddsa, own, "v2", claimsFor("https://other.example.com", time.Hour)},
		"expired":                     {eddsa, own, "v2", claimsFor(audience, -time.Second)},
		"without issuer and audience": {eddsa, own, "v2", jwt.RegisteredClaims{Subject: "ann"}},
	} {
		token, err := signedBy(c.method, c.key, c.kid, c.claims)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := parse(token, keys); err == nil {
			t.Errorf("%s: golang-jwt accepts the token", name)
		}
		if status, err := l.status(token); err != nil || status != http.StatusUnauthorized {
			t.Errorf("%s: %d, %v", name, status, err)
		}
	}
	for _, token := range []string{right + "=", right[:len(right)-1], "." + right, strings.ToUpper(right)} {
		if _, err := parse(token, keys); err == nil {
			t.Error("another spelling: golang-jwt accepts the token")
		}
		if status, err := l.status(token); err != nil || status != http.StatusUnauthorized {
			t.Errorf("another spelling: %d, %v", status, err)
		}
	}
}

// TestGolangJWTKeepsTheErrorsOfFind: a handler separates 401 from 503 by the
// error of Parse, as docs/keyring.md shows.
func TestGolangJWTKeepsTheErrorsOfFind(t *testing.T) {
	key := secret.Random(secret.Options{Namespace: "auth", Name: "jwt-key"})
	store := secret.NewMemory(map[string]string{key.Binding(): seedText("v1")})
	app := secret.NewApp(secret.AppOptions{Store: store, Refresh: -1, Logger: slog.New(slog.DiscardHandler)}).Use(key)
	if err := app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	verify := func(kid string) error {
		token, err := signedBy(jwt.SigningMethodHS256, seeds["v1"], kid, claimsFor(audience, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		_, err = jwt.Parse(token, func(token *jwt.Token) (any, error) {
			kid, _ := token.Header["kid"].(string)
			v, err := keyring.Find(t.Context(), key, kid)
			if err != nil {
				return nil, err
			}
			return v.Bytes()
		}, jwt.WithValidMethods([]string{"HS256"}))
		return err
	}
	if err := verify("v1"); err != nil {
		t.Error(err)
	}
	down := errors.New("no route to the store")
	store.Fail(down)
	if err := verify("v2"); !errors.Is(err, down) || errors.Is(err, keyring.ErrInvalidToken) {
		t.Errorf("an outage is no refusal: %v", err)
	}
	if err := verify(""); !errors.Is(err, keyring.ErrInvalidToken) || !errors.Is(err, secret.ErrVersionNotFound) {
		t.Errorf("an unknown key is refused: %v", err)
	}
}
