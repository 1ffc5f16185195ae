package secret_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/layeron-hq/secret"
)

// The smallest program: declare a secret, read it. Without Options.Store it would come from the environment variable
// LAYERON_SECRET_BILLING_STRIPE_SECRET.
func Example() {
	stripe := secret.Static(secret.Options{
		Namespace: "billing",
		Name:      "stripe-secret",
		Store:     secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_test_xxx"}),
	})

	apiKey, err := stripe.Current().Text()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("characters:", len(apiKey))
	// Output: characters: 11
}

func ExampleStatic() {
	stripe := secret.Static(secret.Options{
		Namespace: "billing",
		Name:      "stripe-secret",
		Store:     secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_test_xxx"}),
	})

	apiKey, err := stripe.Current().Text()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(apiKey)
	// Output: sk_test_xxx
}

// Credentials with several members are one plain value. JSON decodes it.
func ExampleJSON() {
	type Credentials struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	}
	payments := secret.Static(secret.Options{
		Namespace: "billing",
		Name:      "payments-api",
		Store: secret.NewMemory(map[string]string{
			"$SECRET.billing.payments-api": `{"clientId": "shop-4711", "clientSecret": "hush"}`,
		}),
	})

	credentials, err := secret.JSON[Credentials](payments.Current())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(credentials.ClientID, len(credentials.ClientSecret))
	// Output: shop-4711 4
}

// A random secret is a key of a fixed length. It is stored in hex or base64; Bytes decodes it and checks the length.
func ExampleRandom() {
	sessionKey := secret.Random(secret.Options{
		Namespace: "auth",
		Name:      "session-key",
		Bytes:     32, // the default
		Store: secret.NewMemory(map[string]string{
			"$SECRET.auth.session-key": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		}),
	})

	key, err := sessionKey.Current().Bytes()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(key), key[31])
	// Output: 32 31
}

// A generated secret is made by the step that owns it. Without Bytes its value is a text, here credentials.
func ExampleGenerated() {
	store := secret.NewMemory(map[string]string{
		"$SECRET.auth.api-signing-key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"$SECRET.storage.r2":           `{"accessKeyId": "a1", "secretAccessKey": "hush"}`,
	})
	signing := secret.Generated(secret.Options{Namespace: "auth", Name: "api-signing-key", Bytes: 32, Store: store})
	r2 := secret.Generated(secret.Options{
		Namespace: "storage",
		Name:      "r2",
		Generator: "cloudflare/r2-credentials",
		Params:    map[string]string{"bucket": "media", "access": "read"},
		Store:     store,
	})

	key, err := signing.Current().Bytes()
	if err != nil {
		log.Fatal(err)
	}
	credentials, err := secret.JSON[map[string]string](r2.Current())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(key), credentials["accessKeyId"])
	// Output: 32 a1
}

// The policy is a part of the declaration. Reads do not depend on it.
func ExampleRotation() {
	encryptionKey := secret.Random(secret.Options{
		Namespace: "storage",
		Name:      "encryption-key",
		Rotation: &secret.Rotation{
			EveryDays: 90,
			Retain:    secret.Retention{Mode: secret.RetainForever},
		},
	})
	fmt.Println(encryptionKey.Err())

	tooOften := secret.Random(secret.Options{Name: "key", Rotation: &secret.Rotation{EveryDays: 1}})
	fmt.Println(tooOften.Err())
	// Output:
	// <nil>
	// secret: declare $SECRET.default.key: invalid: Rotation.EveryDays is 1, allowed is 7 to 36500
}

// A wrong declaration can stand in a var block: nothing panics, and every read returns what Err does.
func ExampleSecret_Err() {
	key := secret.Random(secret.Options{Namespace: "auth", Name: "Session-Key", Bytes: 8})

	fmt.Println(errors.Is(key.Err(), secret.ErrInvalid))
	_, err := key.Current().Bytes()
	fmt.Println(errors.Is(err, secret.ErrInvalid))
	// Output:
	// true
	// true
}

// Current is the key to seal and sign with. Keep the version's ID beside what it made.
func ExampleSecret_Current() {
	encryptionKey := secret.Random(secret.Options{
		Namespace: "storage",
		Name:      "encryption-key",
		Bytes:     16,
		Store: secret.NewMemory(map[string]string{
			"$SECRET.storage.encryption-key": "current=v3;v2=00112233445566778899aabbccddeeff;v3=" +
				"ffeeddccbbaa99887766554433221100",
		}),
	})

	key, err := encryptionKey.Current().Bytes()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(key))

	// The same read, with a context and the version's id.
	version, err := encryptionKey.Current().Get(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(version.ID)
	// Output:
	// 16
	// v3
}

// Version finds old versions, expired or not: what was made with them has to stay readable.
func ExampleSecret_Version() {
	encryptionKey := secret.Random(secret.Options{
		Namespace: "storage",
		Name:      "encryption-key",
		Bytes:     16,
		Store: secret.NewMemory(map[string]string{
			"$SECRET.storage.encryption-key": "current=v3;v2=00112233445566778899aabbccddeeff;v2_expires=2026-06-01T00:00:00Z;" +
				"v3=ffeeddccbbaa99887766554433221100",
		}),
	})

	oldKey, err := encryptionKey.Version("v2").Bytes()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", oldKey)

	_, err = encryptionKey.Version("v9").Bytes()
	fmt.Println(err)
	fmt.Println(errors.Is(err, secret.ErrVersionNotFound))
	// Output:
	// 00112233445566778899aabbccddeeff
	// secret: version $SECRET.storage.encryption-key, version v9: version not found
	// true
}

// At finds the key for a record of which only the time is known.
func ExampleSecret_At() {
	encryptionKey := secret.Random(secret.Options{
		Namespace: "storage",
		Name:      "encryption-key",
		Bytes:     16,
		Store: secret.NewMemory(map[string]string{
			"$SECRET.storage.encryption-key": `{ "current": "v3", "versions": {
				"v2": { "value": "00112233445566778899aabbccddeeff",
				        "activeFrom": "2026-05-01T00:00:00Z", "expiresAt": "2026-06-01T00:00:00Z" },
				"v3": { "value": "ffeeddccbbaa99887766554433221100", "activeFrom": "2026-05-25T00:00:00Z" } } }`,
		}),
	})
	encryptedAt := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)

	key, err := encryptionKey.At(encryptedAt).Bytes()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n", key)

	_, err = encryptionKey.At(encryptedAt.AddDate(-1, 0, 0)).Bytes()
	fmt.Println(err)
	// Output:
	// 00112233445566778899aabbccddeeff
	// secret: at $SECRET.storage.encryption-key: no version active
}

// Active is what to accept now: during an overlap a cookie may have been signed by either key.
func ExampleSecret_Active() {
	sessionKey := secret.Static(secret.Options{
		Namespace: "auth",
		Name:      "session-key",
		Store: secret.NewMemory(map[string]string{
			"$SECRET.auth.session-key": "current=v3;v1=oldest;v1_expires=2026-05-01T00:00:00Z;" +
				"v2=old;v2_expires=2999-06-01T00:00:00Z;v3=new",
		}),
	})

	keys, err := sessionKey.Active()
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range keys {
		fmt.Println(key.ID, key.Text())
	}
	// Output:
	// v3 new
	// v2 old
}

// ActiveAt is what was in force at a time that is not now.
func ExampleSecret_ActiveAt() {
	sessionKey := secret.Static(secret.Options{
		Namespace: "auth",
		Name:      "session-key",
		Store: secret.NewMemory(map[string]string{
			"$SECRET.auth.session-key": `{ "current": "v3", "versions": {
				"v2": { "value": "old-secret-value",
				        "activeFrom": "2026-05-01T00:00:00.000Z", "expiresAt": "2026-06-01T00:00:00.000Z" },
				"v3": { "value": "new-secret-value", "activeFrom": "2026-05-25T00:00:00.000Z" } } }`,
		}),
	})

	for _, day := range []int{1, 25, 32} {
		keys, err := sessionKey.ActiveAt(time.Date(2026, 5, day, 0, 0, 0, 0, time.UTC))
		if err != nil {
			log.Fatal(err)
		}
		for _, key := range keys {
			fmt.Println(day, key.ID, key.Text())
		}
	}
	// Output:
	// 1 v2 old-secret-value
	// 25 v3 new-secret-value
	// 25 v2 old-secret-value
	// 32 v3 new-secret-value
}

// A token that names its key needs no loop. The id comes from outside, so an unknown or expired one is no surprise.
func ExampleSecret_ActiveVersion() {
	signing := secret.Static(secret.Options{
		Namespace: "auth",
		Name:      "api-signing-key",
		Store: secret.NewMemory(map[string]string{
			"$SECRET.auth.api-signing-key": "current=v3;v1=oldest;v1_expires=2026-05-01T00:00:00Z;v2=old;v3=new",
		}),
	})

	for _, kid := range []string{"v2", "v1", "v7"} {
		_, err := signing.ActiveVersion(kid).Bytes()
		switch {
		case err == nil:
			fmt.Println(kid, "verify with it")
		case errors.Is(err, secret.ErrVersionNotFound), errors.Is(err, secret.ErrNotActive):
			fmt.Println(kid, "refuse the token")
		default:
			log.Fatal(err) // the store failed: the token may be good
		}
	}
	// Output:
	// v2 verify with it
	// v1 refuse the token
	// v7 refuse the token
}

// Load reads once; all that the document is asked agrees, whatever the store holds by then.
func ExampleSecret_Load() {
	store := secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "current=v2;v1=old;v2=new"})
	sessionKey := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: store})

	doc, err := sessionKey.Load(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	store.Set("$SECRET.auth.session-key", "current=v3;v2=new;v3=newest")

	fmt.Println("sign with", doc.Current().ID)
	for _, v := range doc.Active(time.Now()) {
		fmt.Println("accept", v.ID)
	}
	// Output:
	// sign with v2
	// accept v2
	// accept v1
}

// A test gives the program's own declaration another store. Nothing has to be set back afterwards.
func ExampleSecret_With() {
	// In the program:
	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})

	// In its test:
	store := secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_test_xxx"})
	underTest := stripe.With(store)

	apiKey, err := underTest.Current().Text()
	fmt.Println(apiKey, err)
	// Output: sk_test_xxx <nil>
}

// A memory store can also change its mind and fail, to see what the program does then.
func ExampleNewMemory() {
	store := secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "one"}) // LAYERON_SECRET_AUTH_SESSION_KEY would do
	sessionKey := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: store})

	show := func() {
		text, err := sessionKey.Current().Text()
		fmt.Printf("%q %v\n", text, err)
	}
	show()
	store.Set("$SECRET.auth.session-key", "two")
	show()
	store.Fail(errors.New("out of order"))
	show()
	store.Fail(nil)
	store.Delete("$SECRET.auth.session-key")
	show()
	// Output:
	// "one" <nil>
	// "two" <nil>
	// "" secret: load $SECRET.auth.session-key: out of order
	// "" secret: load $SECRET.auth.session-key: not found: memory store, LAYERON_SECRET_AUTH_SESSION_KEY is not set
}

// Docker, Kubernetes and systemd hand secrets over as files. Each is named like its secret's binding.
func ExampleDir() {
	dir, err := os.MkdirTemp("", "secrets-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "LAYERON_SECRET_BILLING_STRIPE_SECRET")
	if err := os.WriteFile(file, []byte("sk_test_xxx\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	stripe := secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret", Store: secret.Dir(dir)})
	apiKey, err := stripe.Current().Text() // without the newline that an editor leaves at the end
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", apiKey)
	// Output: "sk_test_xxx"
}

// Options.Binding is the name of a value that exists already: here a file in a
// mounted folder.
func ExampleSecret_Binding() {
	dir, err := os.MkdirTemp("", "secrets-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "db_password"), []byte("pw_xxx\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	password := secret.Static(secret.Options{Namespace: "shop", Name: "db-password", Binding: "db_password",
		Store: secret.Dir(dir)})
	fmt.Println(password.Binding())
	fmt.Println(password.Current().Text())

	// Without it the name is derived.
	fmt.Println(password.Address().Binding())
	// Output:
	// db_password
	// pw_xxx <nil>
	// LAYERON_SECRET_SHOP_DB_PASSWORD
}

// A store of your own takes the name from BindingOf.
func ExampleBindingOf() {
	texts := map[string]string{"DATABASE_URL": "postgres://app@db/shop"}
	store := storeFunc(func(ctx context.Context, addr secret.Address) (string, error) {
		name := secret.BindingOf(ctx, addr)
		text, ok := texts[name]
		if !ok {
			return "", fmt.Errorf("%s: %w", name, secret.ErrNotFound)
		}
		return text, nil
	})
	database := secret.Static(secret.Options{Namespace: "shop", Name: "db", Binding: "DATABASE_URL", Store: store})
	fmt.Println(database.Current().Text())
	// Output: postgres://app@db/shop <nil>
}

// storeFunc is a store of one function.
type storeFunc func(ctx context.Context, addr secret.Address) (string, error)

func (f storeFunc) Get(ctx context.Context, addr secret.Address) (string, error) { return f(ctx, addr) }

// A plain value is version v1, and current.
func ExampleParse_plain() {
	doc, err := secret.Parse("sk_test_xxx")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(doc)
	fmt.Println(doc.Current().Text())
	// Output:
	// plain document, 1 version, current v1
	// sk_test_xxx
}

// In JSON the member "current" names the current version; without it the last one is current.
func ExampleParse_json() {
	doc, err := secret.Parse(`{
		"current": "v3",
		"versions": {
			"v2": {
				"value": "old-secret-value",
				"activeFrom": "2026-05-01T00:00:00.000Z",
				"expiresAt": "2026-06-01T00:00:00.000Z"
			},
			"v3": {
				"value": "new-secret-value",
				"activeFrom": "2026-05-25T00:00:00.000Z"
			}
		}
	}`)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(doc)
	for v := range doc.All() {
		fmt.Println(v.ID, "from", v.ActiveFrom.Format(time.DateOnly))
	}
	fmt.Println(doc.Current().Text())
	// Output:
	// json document, 2 versions, current v3
	// v2 from 2026-05-01
	// v3 from 2026-05-25
	// new-secret-value
}

// The compact form says the same in one line. Write v3_active too if At must
// distinguish the time of v2 from that of v3: where no version has a beginning,
// both were in force, and At returns the current one.
func ExampleParse_compact() {
	doc, err := secret.Parse("current=v3;v2=old-secret-value;v2_expires=2026-06-01T00:00:00.000Z;v3=new-secret-value")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(doc)
	for v := range doc.All() {
		fmt.Println(v)
	}
	fmt.Println(doc.Current().Text())
	// Output:
	// compact document, 2 versions, current v3
	// version v2, until 2026-06-01T00:00:00Z
	// version v3
	// new-secret-value
}

// A version document that is damaged is an error, never a plain value. The message shows the place and nothing of the text.
func ExampleParse_malformed() {
	_, err := secret.Parse(`{"current": "v3", "versions": {"v3": {"value": "new-secr`)
	fmt.Println(errors.Is(err, secret.ErrMalformed))
	fmt.Println(err)
	// Output:
	// true
	// secret: parse, at byte 56: malformed: a JSON version document with a syntax error here; was it cut off?
}

// Where a plain value might look like a version document, pin the format.
func ExampleFormat() {
	store := secret.NewMemory(map[string]string{"$SECRET.default.greeting": "v1=hello"})

	guessed := secret.Static(secret.Options{Name: "greeting", Store: store})
	pinned := secret.Static(secret.Options{Name: "greeting", Format: secret.FormatPlain, Store: store})
	for _, s := range []*secret.Secret{guessed, pinned} {
		text, err := s.Current().Text()
		fmt.Println(text, err)
	}
	// Output:
	// hello <nil>
	// v1=hello <nil>
}

// Encode writes what Parse reads: here a document made by hand, in both versioned forms.
func ExampleDocument_Encode() {
	handover := time.Date(2026, 5, 25, 0, 0, 0, 0, time.UTC)
	doc, err := secret.NewDocument("v2",
		secret.NewVersion("v1", "old", time.Time{}, handover.AddDate(0, 0, 7)),
		secret.NewVersion("v2", "new", handover, time.Time{}),
	)
	if err != nil {
		log.Fatal(err)
	}

	for _, format := range []secret.Format{secret.FormatJSON, secret.FormatCompact, secret.FormatPlain} {
		text, err := doc.Encode(format)
		fmt.Println(text, err)
	}
	// Output:
	// {"current":"v2","versions":{"v1":{"value":"old","expiresAt":"2026-06-01T00:00:00Z"},"v2":{"value":"new","activeFrom":"2026-05-25T00:00:00Z"}}} <nil>
	// current=v2;v1=old;v1_expires=2026-06-01T00:00:00Z;v2=new;v2_active=2026-05-25T00:00:00Z <nil>
	//  secret: encode: wrong encoding: a plain value is a single version
}

// Every secret has an address, for people and programs, and a binding name, for the runtime that hands its value over.
func ExampleSecret_Address() {
	sessionKey := secret.Random(secret.Options{Namespace: "auth", Name: "session-key"})

	fmt.Println(sessionKey.Address())
	fmt.Println(sessionKey.Binding())
	// Output:
	// $SECRET.auth.session-key
	// LAYERON_SECRET_AUTH_SESSION_KEY
}

func ExampleParseAddress() {
	address, err := secret.ParseAddress("$SECRET.auth.session-key")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(address.Namespace, address.Name)
	// Output: auth session-key
}

// Equal compares a shared key with what a request brought, without telling by its duration how much of it was right.
func ExampleVersion_Equal() {
	webhook := secret.Static(secret.Options{
		Name:  "webhook-key",
		Store: secret.NewMemory(map[string]string{"$SECRET.default.webhook-key": "current=v2;v1=old;v2=new"}),
	})
	keys, err := webhook.Active()
	if err != nil {
		log.Fatal(err)
	}
	for _, given := range []string{"old", "guess"} {
		accepted := false
		for _, key := range keys {
			accepted = key.Equal(given) || accepted
		}
		fmt.Println(given, accepted)
	}
	// Output:
	// old true
	// guess false
}

// A secret and all that is read from it may be printed: names and times show, values do not.
func ExampleSecret_redaction() {
	stripe := secret.Static(secret.Options{
		Namespace: "billing",
		Name:      "stripe-secret",
		Store:     secret.NewMemory(map[string]string{"$SECRET.billing.stripe-secret": "sk_test_xxx"}),
	})
	doc, err := stripe.Load(context.Background())
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(stripe)
	fmt.Printf("%+v\n", stripe.Current())
	fmt.Printf("%#v\n", doc)
	fmt.Printf("%s\n", doc.Current())
	fmt.Printf("%x\n", doc.Current())
	// Output:
	// $SECRET.billing.stripe-secret
	// $SECRET.billing.stripe-secret current
	// plain document, 1 version, current v1
	// version v1
	// version v1
}

// The same holds for log/slog, and so for encoding/json.
func ExampleVersion_redaction() {
	doc, err := secret.Parse("current=v3;v2=old-secret-value;v3=new-secret-value;v3_active=2026-05-25T00:00:00Z")
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // so that the output is always the same
			}
			return a
		},
	}))

	logger.Info("signing", "key", doc.Current())
	// Output: {"level":"INFO","msg":"signing","key":{"id":"v3","activeFrom":"2026-05-25T00:00:00Z"}}
}

// An Error says which secret, and where its text was found. It holds no part of the value.
func ExampleError() {
	sessionKey := secret.Random(secret.Options{
		Namespace: "auth",
		Name:      "session-key",
		Store: secret.NewMemory(map[string]string{"$SECRET.auth.session-key": "current=v2;v2=new;v2_expire=" +
			"2026-06-01T00:00:00Z"}),
	})

	_, err := sessionKey.Current().Bytes()
	if e, ok := errors.AsType[*secret.Error](err); ok {
		fmt.Println(e.Address)
		fmt.Println(e.Where)
		offset, known := e.Offset()
		fmt.Println(offset, known, errors.Is(err, secret.ErrMalformed))
	}
	// Output:
	// $SECRET.auth.session-key
	// memory store, LAYERON_SECRET_AUTH_SESSION_KEY
	// 18 true true
}
