package secret_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/redacttest"
)

// The values that all subjects of this file hold, one for each place. No output
// contains them by chance.
const (
	oldMark    = "Qz7kWv2mXt9RbLp4nHc8sJ1d"
	newMark    = "hB5rNx8wKq3vMz6tYc1pLd9s"
	memberMark = "Jf4gTy7uPo2iWe6aSk3zCv8n" // in a member that the format does not name
	plainMark  = "Dm9xGw3yHq6bVt1fKr5jZs8e"
)

const markedJSON = `{"current":"v2","owner":"` + memberMark + `","versions":{` +
	`"v1":{"value":"` + oldMark + `","activeFrom":"2026-05-01T00:00:00Z","expiresAt":"2026-06-01T00:00:00Z"},` +
	`"v2":{"value":"` + newMark + `","note":"` + memberMark + `"}}}`

func requireSilent(t *testing.T, what string, v any) {
	t.Helper()
	require.Empty(t, redacttest.Check(v, oldMark, newMark, memberMark, plainMark), what)
}

// mapStore keeps its values in the open. This package cannot redact it, but a
// Secret that reads from it must not show them.
type mapStore map[secret.Address]string

func (m mapStore) Get(_ context.Context, a secret.Address) (string, error) {
	if text, ok := m[a]; ok {
		return text, nil
	}
	return "", fmt.Errorf("%s: %w", a, secret.ErrNotFound)
}

// markedSecrets returns secrets that have been read, one for each format.
func markedSecrets(t *testing.T, store func(text string) secret.Store) map[string]*secret.Secret {
	t.Helper()
	secrets := map[string]*secret.Secret{}
	for name, text := range map[string]string{
		"plain": plainMark, "JSON": markedJSON, "compact": "current=v2;v1=" + oldMark + ";v2=" + newMark,
		"malformed": "current=v1;v1=" + oldMark + ";v1=" + newMark,
	} {
		s := secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Store: store(text)})
		_, err := s.Load(t.Context())
		require.Equal(t, name == "malformed", err != nil)
		secrets[name] = s
	}
	return secrets
}

func markedDocument(t *testing.T, text string) *secret.Document {
	t.Helper()
	doc, err := secret.Parse(text)
	require.NoError(t, err)
	return doc
}

// markedErrors are errors of each operation on texts that hold the marks.
func markedErrors(t *testing.T) map[string]*secret.Error {
	t.Helper()
	doc := markedDocument(t, markedJSON)
	errs := map[string]*secret.Error{}
	add := func(name string, err error) {
		var e *secret.Error
		require.ErrorAs(t, err, &e, name)
		errs[name] = e
	}
	for name, text := range map[string]string{
		"cut off":             markedJSON[:len(markedJSON)-30],
		"twice":               strings.Replace(markedJSON, `"v2":{`, `"v1":{`, 1),
		"id of a split value": "current=v1;v1=a;" + oldMark + "=" + newMark + ";" + oldMark + "_expires=x",
		"unknown suffix":      "v1=" + oldMark + ";v1_" + newMark + "=x",
		"bad time":            "v1=a;v1_expires=" + oldMark,
		"no =":                "current=v1;v1=a;" + oldMark,
		"space beside =":      "current=v1;v1=a;" + oldMark + " =" + newMark,
		"current":             "current=" + oldMark + " " + newMark,
		"value of a number":   strings.Replace(markedJSON, `"value":"`+oldMark+`"`, `"value":["`+oldMark+`"]`, 1),
		"time in JSON":        strings.Replace(markedJSON, "2026-05-01T00:00:00Z", newMark, 1),
		"JSON id":             strings.Replace(markedJSON, `"v1":{"value"`, `"`+oldMark+`":{"valu"`, 1),
		"member twice":        strings.Replace(markedJSON, `"note":`, `"`+memberMark+`":1,"`+memberMark+`":2,"note":`, 1),
		"too large":           plainMark + strings.Repeat(" ", 1<<20),
	} {
		_, err := secret.Parse(text)
		add("parse "+name, err)
		_, err = sessionKey(oneSecret(text)).Load(t.Context())
		add("load "+name, err)
		_, err = secret.Static(secret.Options{Namespace: "auth", Name: "session-key", Format: secret.FormatJSON,
			Store: oneSecret(text)}).Load(t.Context())
		add("pinned JSON "+name, err)
	}
	_, err := secret.Static(secret.Options{Name: "key", Format: secret.FormatJSON,
		Store: mapStore{{Namespace: "default", Name: "key"}: plainMark}}).Load(t.Context())
	add("not JSON", err)
	_, err = secret.Static(secret.Options{Name: "key", Format: secret.FormatCompact,
		Store: mapStore{{Namespace: "default", Name: "key"}: plainMark}}).Load(t.Context())
	add("not compact", err)
	_, err = keyOf(32, secret.EncodingAuto, plainMark)
	add("bytes", err)
	_, err = keyOf(32, secret.EncodingRaw, plainMark)
	add("raw bytes", err)
	_, err = doc.Version("v9")
	add("version", err)
	_, err = doc.ActiveVersion("v1", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	add("active version", err)
	_, err = doc.Encode(secret.FormatPlain)
	add("encode", err)
	_, err = secret.NewDocument("v1", versionOf(oldMark), versionOf(newMark))
	add("new document", err)
	add("json", doc.Current().JSON(new(any)))
	add("json into a type", versionOf(`{"clientId":["`+plainMark+`"]}`).JSON(new(credentials)))
	_, err = sessionKey(secret.NewMemory(map[string]string{plainMark: oldMark})).Load(t.Context())
	add("missing", err)
	return errs
}

// subjects are values of every type that holds a secret's value, or could come
// to.
func subjects(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	onMemory := func(text string) secret.Store { return oneSecret(text) }
	for name, s := range markedSecrets(t, onMemory) {
		all["Secret, "+name] = s
		all["Secret elsewhere, "+name] = s.With(oneSecret(plainMark))
	}
	onMap := func(text string) secret.Store { return mapStore{authKey: text} }
	for name, s := range markedSecrets(t, onMap) {
		all["Secret on a map, "+name] = s
		all["Ref on a map, "+name] = s.Current()
	}
	s := markedSecrets(t, onMemory)["JSON"]
	all["Ref Current"], all["Ref Version"], all["Ref At"], all["Ref ActiveVersion"] = s.Current(), s.Version("v1"), s.At(time.Unix(1e9, 0)), s.ActiveVersion("v2")
	doc, err := s.Load(t.Context())
	require.NoError(t, err)
	all["Document loaded"] = doc
	for name, text := range map[string]string{"JSON": markedJSON, "compact": "v1=" + oldMark + ";v2=" + newMark,
		"plain": plainMark} {
		doc := markedDocument(t, text)
		all["Document "+name] = doc
		// reflect.Value is the one thing that fmt looks through by itself.
		all["reflected Document "+name] = reflect.ValueOf(doc).Elem()
		all["Version "+name] = doc.Current()
		v := doc.Current()
		all["*Version "+name] = &v
		all["reflected Version "+name] = reflect.ValueOf(v)
		active := doc.Active(time.Unix(1e9, 0))
		all["[]Version "+name] = active
		all["[1]Version "+name] = [1]secret.Version{active[0]}
		all["map of Version "+name] = map[string]secret.Version{"k": v}
		all["map by Version "+name] = map[secret.Version]int{v: 1}
	}
	made, err := secret.NewDocument("v7", versionOf(newMark))
	require.NoError(t, err)
	all["Document made"], all["Version made"] = made, versionOf(newMark)
	all["Memory"] = oneSecret(plainMark)
	all["reflected Memory"] = reflect.ValueOf(oneSecret(plainMark)).Elem()
	all["Options"] = secret.Options{Name: "key", Store: oneSecret(plainMark)}
	for name, err := range markedErrors(t) {
		all["Error, "+name] = err
		all["Error value, "+name] = *err
		all["wrapped, "+name] = fmt.Errorf("start: %w", err)
		all["joined, "+name] = errors.Join(err, err)
	}
	return all
}

// exporting and hiding are structs of a user: fmt calls methods on a value in
// an exported field, but not in an unexported one.
type (
	exporting struct{ Field any }
	hiding    struct{ field any }
	nested    struct {
		name  string
		inner struct{ deep *hiding }
	}
)

func inFields(v any) map[string]any {
	h := hiding{v}
	n := nested{name: "n"}
	n.inner.deep = &h
	all := map[string]any{
		"exported": exporting{v}, "pointer, exported": &exporting{v}, "unexported": h, "pointer, unexported": &h, "nested": n,
		"pointer, nested": &n,
		"slice":           []any{v, v}, "array": [2]any{v}, "map": map[string]any{"k": v},
		"in a map, unexported":   map[string]hiding{"k": h},
		"in a slice, unexported": []hiding{h}, "unexported slice": struct{ f []any }{[]any{v}},
		"unexported map":          struct{ f map[string]any }{map[string]any{"k": v}},
		"pointer to an interface": &v, "unexported pointer to an interface": struct{ f *any }{&v},
	}
	// With its own type instead of an interface: fmt takes other ways then.
	typ := reflect.TypeOf(v)
	for name, f := range map[string]reflect.Type{
		"typed slice": reflect.SliceOf(typ), "typed array": reflect.ArrayOf(1, typ),
		"typed map": reflect.MapOf(reflect.TypeFor[string](), typ), "typed pointer": reflect.PointerTo(typ),
	} {
		x := reflect.New(f).Elem()
		switch f.Kind() {
		case reflect.Slice:
			x = reflect.Append(x, reflect.ValueOf(v))
		case reflect.Array:
			x.Index(0).Set(reflect.ValueOf(v))
		case reflect.Map:
			x = reflect.MakeMap(f)
			x.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf(v))
		case reflect.Pointer:
			x = reflect.New(typ)
			x.Elem().Set(reflect.ValueOf(v))
		}
		all[name] = x.Interface()
		all["unexported "+name] = struct{ f any }{x.Interface()}
	}
	return all
}

func TestNothingIsShown(t *testing.T) {
	for name, v := range subjects(t) {
		t.Run(name, func(t *testing.T) { requireSilent(t, name, v) })
	}
}

// typical is one subject of each type, and of each format where that matters:
// the slow checks use these.
func typical(t *testing.T) map[string]any {
	t.Helper()
	all, some := subjects(t), map[string]any{}
	for _, name := range []string{
		"Secret, JSON", "Secret on a map, plain", "Secret on a map, malformed", "Ref Current", "Ref on a map, compact",
		"Document loaded", "Document plain",
		"reflected Document JSON", "Version plain", "*Version JSON", "[]Version compact", "map by Version JSON", "Memory",
		"reflected Memory",
		"Error, load cut off", "wrapped, json", "Options",
	} {
		require.Contains(t, all, name)
		some[name] = all[name]
	}
	return some
}

func TestNothingIsShownInFields(t *testing.T) {
	for name, v := range typical(t) {
		t.Run(name, func(t *testing.T) {
			for where, x := range inFields(v) {
				requireSilent(t, where, x)
			}
		})
	}
}

// Structs as people write them, each with the type itself in its field.
func TestNothingIsShownInDeclaredFields(t *testing.T) {
	s := markedSecrets(t, func(text string) secret.Store { return mapStore{authKey: text} })["JSON"]
	doc, err := s.Load(t.Context())
	require.NoError(t, err)
	v, memory := doc.Current(), oneSecret(plainMark)
	e := markedErrors(t)["load cut off"]

	type exported struct {
		Secret   *secret.Secret
		Ref      secret.Ref
		Version  secret.Version
		Document *secret.Document
		Memory   *secret.Memory
		Store    secret.Store
		Err      *secret.Error
	}
	type unexported struct {
		secret   *secret.Secret
		ref      secret.Ref
		version  secret.Version
		pointer  *secret.Version
		document *secret.Document
		memory   *secret.Memory
		store    secret.Store
		err      *secret.Error
		versions []secret.Version
		byID     map[string]secret.Version
		refs     map[secret.Ref]*secret.Document
	}
	out := exported{s, s.Current(), v, doc, memory, memory, e}
	in := unexported{s, s.Current(), v, &v, doc, memory, memory, e, []secret.Version{v},
		map[string]secret.Version{"v2": v},
		map[secret.Ref]*secret.Document{s.Current(): doc}}
	type (
		embedsSecret   struct{ *secret.Secret }
		embedsRef      struct{ secret.Ref }
		embedsVersion  struct{ secret.Version }
		embedsDocument struct{ *secret.Document }
		embedsMemory   struct{ *secret.Memory }
		embedsError    struct{ *secret.Error }
		// Two embedded types with the same methods promote none, so fmt calls none.
		embedsTwo struct {
			secret.Version
			*secret.Document
		}
		embedsMore struct {
			*secret.Secret
			*secret.Memory
			secret.Ref
		}
		version       = secret.Version
		embedsHidden  struct{ version }
		embedsDeep    struct{ embedsHidden }
		hidesEmbedded struct{ e embedsTwo }
		// Another type of the same shape has none of the methods.
		versionShape  secret.Version
		documentShape *secret.Document
	)
	for name, x := range map[string]any{
		"exported": out, "*exported": &out, "unexported": in, "*unexported": &in,
		"unexported in a struct":            struct{ in unexported }{in},
		"pointer to unexported in a struct": struct{ in *unexported }{&in},
		"each alone: secret":                struct{ f *secret.Secret }{s},
		"each alone: ref":                   struct{ f secret.Ref }{s.Current()},
		"each alone: version":               struct{ f secret.Version }{v},
		"each alone: *version":              struct{ f *secret.Version }{&v},
		"each alone: document":              struct{ f *secret.Document }{doc},
		"each alone: memory":                struct{ f *secret.Memory }{memory},
		"each alone: error":                 struct{ f *secret.Error }{e},
		"embeds Secret":                     embedsSecret{s}, "embeds Ref": embedsRef{s.Current()},
		"embeds Version":  embedsVersion{v},
		"embeds Document": embedsDocument{doc},
		"embeds Memory":   embedsMemory{memory}, "embeds Error": embedsError{e}, "embeds two": embedsTwo{v, doc},
		"*embeds two": &embedsTwo{v, doc},
		"embeds more": embedsMore{s, memory, s.Current()}, "embeds hidden": embedsHidden{v},
		"embeds deep":    embedsDeep{embedsHidden{v}},
		"hides embedded": hidesEmbedded{embedsTwo{v, doc}}, "*hides embedded": &hidesEmbedded{embedsTwo{v, doc}},
		"Version's shape": versionShape(v), "*Version's shape": (*versionShape)(&v), "Document's shape": documentShape(doc),
		"pointer to pointer": &doc, "channel": make(chan *secret.Secret), "function": func() *secret.Secret { return s },
	} {
		t.Run(name, func(t *testing.T) { requireSilent(t, name, x) })
	}
}

// The output must be enough to identify the object.
func TestWhatIsShown(t *testing.T) {
	s := markedSecrets(t, func(text string) secret.Store { return oneSecret(text) })["JSON"]
	doc, err := s.Load(t.Context())
	require.NoError(t, err)
	at := time.Date(2026, 5, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	old, err := doc.Version("v1")
	require.NoError(t, err)
	for want, v := range map[string]any{
		"$SECRET.auth.session-key":                                   s,
		"$SECRET.auth.session-key current":                           s.Current(),
		"$SECRET.auth.session-key version v1":                        s.Version("v1"),
		`$SECRET.auth.session-key version "a b"`:                     s.Version("a b"),
		"$SECRET.auth.session-key active version v1":                 s.ActiveVersion("v1"),
		"$SECRET.auth.session-key at " + at.Format(time.RFC3339Nano): s.At(at),
		"version v2": doc.Current(),
		"version v1, from 2026-05-01T00:00:00Z until 2026-06-01T00:00:00Z": old,
		"no version":                            secret.Version{},
		"json document, 2 versions, current v2": doc,
		"memory store":                          oneSecret("x"),
		"[version v2]":                          []secret.Version{doc.Current()},
		"map[$SECRET.auth.session-key current:version v2]": map[secret.Ref]secret.Version{s.Current(): doc.Current()},
	} {
		for _, format := range []string{"%v", "%+v", "%s"} {
			require.Equal(t, want, fmt.Sprintf(format, v), format)
		}
	}
	for want, v := range map[string]any{
		`"$SECRET.auth.session-key"`:            s,
		`"$SECRET.auth.session-key version v1"`: s.Version("v1"),
		`{"id":"v2"}`:                           doc.Current(),
		`{"id":"v1","activeFrom":"2026-05-01T00:00:00Z","expiresAt":"2026-06-01T00:00:00Z"}`:                                                           old,
		`{"format":"json","current":"v2","versions":[{"id":"v1","activeFrom":"2026-05-01T00:00:00Z","expiresAt":"2026-06-01T00:00:00Z"},{"id":"v2"}]}`: doc,
		`"memory store"`: oneSecret("x"),
	} {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, want, string(b))
	}
}

func TestNilIsShownWithoutPanic(t *testing.T) {
	for name, v := range map[string]any{
		"Secret": (*secret.Secret)(nil), "Document": (*secret.Document)(nil), "Memory": (*secret.Memory)(nil),
		"Ref": secret.Ref{}, "Version": secret.Version{},
		"zero Secret": &secret.Secret{}, "zero Document": &secret.Document{}, "zero Memory": &secret.Memory{},
		"nil *Version": (*secret.Version)(nil),
	} {
		t.Run(name, func(t *testing.T) {
			require.NotPanics(t, func() { redacttest.Check(v, plainMark) })
			if name != "nil *Version" { // a method with a value receiver: fmt writes <nil>
				require.NotContains(t, fmt.Sprintf("%v %s %x", v, v, v), "PANIC")
			}
		})
	}
}

// Templates and expvar print their arguments: only a method called by its name
// may return a value.
func TestTemplatesAndExpvarAreSilent(t *testing.T) {
	for name, v := range subjects(t) {
		var b bytes.Buffer
		require.NoError(t,
			template.Must(template.New("").Parse("{{.}} {{printf `%+v %x` . .}} {{print .}} {{html .}} {{js .}} {{urlquery "+
				".}}")).Execute(&b, v))
		if _, reflected := v.(reflect.Value); !reflected {
			b.WriteString(expvar.Func(func() any { return v }).String())
		}
		requireNoMark(t, name, b.String())
	}
}

func requireNoMark(t *testing.T, what, text string) {
	t.Helper()
	for _, mark := range []string{oldMark, newMark, memberMark, plainMark} {
		require.Empty(t, redacttest.Find(text, mark), what)
	}
}

// failing is a testing.T that keeps its messages.
type failing struct{ said strings.Builder }

func (f *failing) Errorf(format string, args ...any) { fmt.Fprintf(&f.said, format+"\n", args...) }
func (f *failing) FailNow()                          {}

// A failing assertion of testify prints the compared objects, with a printer
// that reads unexported fields and follows pointers.
func TestTestifyIsSilent(t *testing.T) {
	for name, v := range typical(t) {
		if _, reflected := v.(reflect.Value); reflected {
			continue // compared by its reflected form, which is in the list as well
		}
		t.Run(name, func(t *testing.T) {
			var f failing
			for _, x := range []any{v, exporting{v}, hiding{v}, &hiding{v}, []any{v}, map[string]any{"k": v}} {
				other := reflect.Zero(reflect.TypeOf(x)).Interface()
				require.Equal(&f, x, other)
				require.Equal(&f, other, x, "message with %v", x)
				require.EqualValues(&f, x, other)
				require.Exactly(&f, x, "another type")
				require.NotEqual(&f, x, x)
				require.Nil(&f, x)
				require.Empty(&f, x)
				require.Zero(&f, x)
				require.IsType(&f, 1, x)
				require.Contains(&f, []any{x}, "nothing")
				require.NotContains(&f, []any{x}, x)
				require.ElementsMatch(&f, []any{x}, []any{1})
				require.Subset(&f, []any{x}, []any{1})
				require.Len(&f, []any{x}, 7)
				require.Same(&f, &x, &other)
				require.Implements(&f, (*error)(nil), 1, x)
			}
			if err, ok := v.(error); ok {
				require.NoError(&f, err)
				require.ErrorIs(&f, err, os.ErrClosed)
				require.NotErrorIs(&f, err, err)
				require.EqualError(&f, err, "another")
				require.ErrorContains(&f, err, "another")
				var path *os.PathError
				require.ErrorAs(&f, err, &path)
			}
			require.Panics(&f, func() {})
			require.NotPanics(&f, func() { panic(v) })
			require.Greater(t, f.said.Len(), 1000, "nothing has failed")
			requireNoMark(t, name, f.said.String())
		})
	}
}

// A document that differs in its value alone must not betray it in the diff.
func TestTestifyDiffIsSilent(t *testing.T) {
	var f failing
	one, other := markedDocument(t, markedJSON), markedDocument(t, strings.Replace(markedJSON, newMark, plainMark, 1))
	require.Equal(&f, one, other)
	require.Equal(&f, one.Current(), other.Current())
	require.Equal(&f, hiding{one}, hiding{other})
	require.Equal(&f, oneSecret(oldMark), oneSecret(newMark))
	require.Equal(&f, sessionKey(mapStore{authKey: oldMark}), sessionKey(mapStore{authKey: newMark}))
	require.Contains(t, f.said.String(), "Not equal")
	requireNoMark(t, "diff", f.said.String())
}

const panicVariable = "SECRET_TEST_PANICS_WITH"

// The runtime prints the value of a panic, and then the arguments of every
// function on the stack.
func TestPanicsAreSilent(t *testing.T) {
	if name := os.Getenv(panicVariable); name != "" {
		v := typical(t)[name]
		func(any, hiding) { panic(v) }(v, hiding{v})
	}
	if runtime.GOOS == "js" {
		t.Skip("no processes here")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	for name, v := range typical(t) {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(self, "-test.run=^TestPanicsAreSilent$")
			cmd.Env = append(os.Environ(), panicVariable+"="+name, "GOTRACEBACK=all")
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.True(t, bytes.Contains(out, []byte("panic: ")) && bytes.Contains(out, []byte("goroutine ")),
				"it has not panicked")
			requireNoMark(t, name, string(out))
		})
		t.Run("recovered "+name, func(t *testing.T) {
			defer func() {
				p := recover()
				requireNoMark(t, name, fmt.Sprintf("%v %+v %#v %s %d", p, p, p, p, p))
			}()
			panic(v)
		})
	}
}
