package secret_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/internal/timeout"
)

// zeros are a zero value of every exported type that has methods, and nil
// pointers to those that are used by pointer.
var zeros = map[string][]any{
	"Address":  {new(secret.Address)},
	"App":      {new(secret.App), (*secret.App)(nil)},
	"Document": {new(secret.Document), (*secret.Document)(nil)},
	"Encoding": {new(secret.Encoding)},
	"Error":    {new(secret.Error)},
	"Format":   {new(secret.Format)},
	"Kind":     {new(secret.Kind)},
	"Memory":   {new(secret.Memory)},
	"Ref":      {new(secret.Ref)},
	"Secret":   {new(secret.Secret), (*secret.Secret)(nil)},
	"Version":  {new(secret.Version)},

	"Derived":       {new(secret.Derived[string]), (*secret.Derived[string])(nil)},
	"RetentionMode": {new(secret.RetentionMode)},
}

// fails names the methods that must return an error on a zero value; every
// other one that returns an error may.
var fails = map[string][]string{
	"App":      {"Start", "Refresh", "Close"},
	"Derived":  {"Get"},
	"Document": {"Version", "At", "ActiveVersion", "Encode"},
	"Memory":   {"Get", "Watch"},
	"Ref":      {"Get", "Text", "Bytes", "JSON"},
	"Secret":   {"Err", "Load", "Refresh", "Active", "ActiveAt"},
	"Version":  {"Bytes", "JSON"},
}

// TestZeroValuesDoNotPanic calls every method of every zero value with zero
// arguments, and a second time.
func TestZeroValuesDoNotPanic(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, values := range zeros {
		for _, zero := range values {
			v := reflect.ValueOf(zero)
			t.Run(fmt.Sprintf("%s, nil %v", name, v.IsNil()), func(t *testing.T) {
				for i := range v.NumMethod() {
					method, does := v.Type().Method(i), v.Method(i)
					if method.Name == "Format" { // it is fmt's
						continue
					}
					args := make([]reflect.Value, 0, does.Type().NumIn())
					for n := range does.Type().NumIn() {
						in := does.Type().In(n)
						switch {
						case in == reflect.TypeFor[context.Context]():
							args = append(args, reflect.ValueOf(ended))
						case in == reflect.TypeFor[func(secret.Change)]():
							args = append(args, reflect.ValueOf(func(secret.Change) {}))
						case does.Type().IsVariadic() && n == does.Type().NumIn()-1: // none
						default:
							args = append(args, reflect.Zero(in))
						}
					}
					for range 2 {
						var results []reflect.Value
						require.NotPanics(t, func() { results = does.Call(args) }, method.Name)
						for _, result := range results {
							if stop, ok := result.Interface().(func()); ok {
								require.NotPanics(t, stop, method.Name)
							}
						}
						for _, must := range fails[name] {
							if must == method.Name {
								require.Error(t, results[len(results)-1].Interface().(error), method.Name)
							}
						}
					}
				}
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
					require.NotContains(t, fmt.Sprintf(verb, zero), "PANIC", verb)
				}
			})
		}
	}
}

// TestZeroValuesAreAll: a new exported type with methods is called too.
func TestZeroValuesAreAll(t *testing.T) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	found := map[string]bool{}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			of := f.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			if generic, ok := of.(*ast.IndexExpr); ok {
				of = generic.X
			}
			if id := of.(*ast.Ident); id.IsExported() {
				found[id.Name] = true
			}
		}
	}
	for name := range found {
		require.Contains(t, zeros, name)
	}
	require.Len(t, zeros, len(found))
}

// TestAppThatNewAppDidNotMake says so, holds no secret, and does not count as
// in order.
func TestAppThatNewAppDidNotMake(t *testing.T) {
	for name, app := range map[string]*secret.App{"zero": new(secret.App), "nil": nil} {
		s := static("key")
		require.Same(t, app, app.Use(s))
		for op, err := range map[string]error{
			"start": app.Start(context.Background()), "refresh": app.Refresh(context.Background()), "close": app.Close(),
		} {
			require.ErrorIs(t, err, secret.ErrInvalid, name)
			require.EqualError(t, err, "secret: "+op+": invalid: an App that NewApp did not make; make one with NewApp")
		}
		st := app.Status()
		require.False(t, st.OK)
		require.Empty(t, st.Secrets)
		require.Empty(t, app.Spec().Secrets)
		app.OnChange(func(secret.Change) { t.Error("called") })()
		p := newProbe()
		p.set(s, "one")
		requireStart(t, secret.NewApp(secret.AppOptions{Store: p, Logger: silence}).Use(s))
		requireRead(t, "one", s)
	}
}

// TestCloseOfAnAppThatCannotStart is no failure.
func TestCloseOfAnAppThatCannotStart(t *testing.T) {
	for range 100 {
		app := secret.NewApp(secret.AppOptions{Timeout: -timeout.Default})
		require.ErrorIs(t, app.Start(context.Background()), secret.ErrInvalid)
		require.NoError(t, app.Close())
	}
}
