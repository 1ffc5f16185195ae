package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/rotate"
)

// Every kind of problem of the engine has advice in the command, or its text
// needs none.
func TestEveryKindOfProblemHasItsAdvice(t *testing.T) {
	explained := map[string]string{
		"Unsettled": "the next run goes on", "Stopped": "the reason is another error", "Refused": "the reason says what to do",
		"Foreign": "the reason says what to do",
	}
	file, err := parser.ParseFile(token.NewFileSet(), "rotate/problem.go", nil, 0)
	require.NoError(t, err)
	kinds := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "Kind" {
				kinds[spec.Names[0].Name] = true
			}
		}
		return true
	})
	require.Greater(t, len(kinds), 15, "the list is of the kinds")
	require.Len(t, kinds, len(advice)+len(explained))
}

func TestWordsAddTheAdvice(t *testing.T) {
	a, b := secret.Address{Namespace: "auth", Name: "a"}, secret.Address{Namespace: "auth", Name: "b"}
	problem := func(kind rotate.Kind) *rotate.Problem {
		return &rotate.Problem{Kind: kind, Address: a, Other: b, Err: errors.New("the reason")}
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{problem(rotate.NeedsValue), "external_value_required: the reason: `layer secret set '$SECRET.auth.a'` gives it one"},
		{problem(rotate.Bound), "bound: the reason: `layer secret set '$SECRET.auth.a'` with that value and then `layer secret rotate --adopt-ledger` bring it under rotation"},
		{problem(rotate.Drifted), "drifted: the reason: `layer secret rotate --adopt-ledger` publishes it again"},
		{problem(rotate.ValueKept), "drifted: the reason: `layer secret rotate --adopt-ledger` publishes the kept one over it"},
		{problem(rotate.ValueUnknown), "drifted: the reason: `layer secret set '$SECRET.auth.a'` with that value first"},
		{problem(rotate.Ahead), "the store is ahead of the ledger: the reason. If there is none, `layer secret rotate --adopt-ledger` goes on with this one"},
		{problem(rotate.WrongTarget), "stopped before anything was changed: the reason. Get the right ledger, or `layer secret rotate --adopt-ledger` goes on with this one"},
		{problem(rotate.Unsettled), "not settled: the reason"},
		{problem(rotate.Refused), "the reason"},
		{problem(rotate.NoValue), "the reason: `layer secret apply` or `layer secret set` brings the first"},
		{problem(rotate.NoVersion), "the reason: `layer secret status --json` lists those that it has"},
		{problem(rotate.NoPrevious), "the reason. `layer secret set` or `layer secret rotate --now` makes a new one"},
		{problem(rotate.CurrentVersion), "the reason: `layer secret set '$SECRET.auth.a'` gives it one first"},
		{problem(rotate.AlreadyAnnounced), "the reason: `layer secret rotate` finishes that rotation when it is due, `layer secret rollback '$SECRET.auth.a'` takes it back"},
		{problem(rotate.PlainValue), "the reason: `layer secret rotate --immediate '$SECRET.auth.a'` replaces it"},
		{problem(rotate.NewName), "the reason: `layer secret rename '$SECRET.auth.a' '$SECRET.auth.a'` publishes it under the new name"},
		{problem(rotate.NameTaken), "the reason: `layer secret rename '$SECRET.auth.b' '$SECRET.auth.a'` hands it over"},
		{problem(rotate.WrongPlace), "stopped before anything was changed: the reason. `layer secret rotate --adopt-ledger` publishes everything where the target is now"},
		{problem(rotate.NotMade), "the reason: run it again to make one"},
		{problem(rotate.Foreign), "the reason"},
		{problem(rotate.Undeclared), "the reason: `layer secret status` lists what is"},
		{problem(rotate.NoLedger), "the reason: `layer secret init` makes one"},
		{problem(rotate.WrongLedger), "the reason. If it is the right one all the same, delete layer.seen and give its id by --ledger-id, or `layer secret rotate --adopt-ledger` goes on with it"},
		{problem(rotate.Moved), "the reason, by --ledger or LAYER_LEDGER. If nothing is there, `layer secret rotate --adopt-ledger` goes on with the one here"},
		{problem(rotate.HalfMoved), "the reason. Move it again, or `layer secret rotate --adopt-ledger` goes on with the old one"},
		{problem(rotate.Copies), "the reason. Compare them with `layer secret log`"},
		{fmt.Errorf("ledger x: %w", problem(rotate.NoLedger)), "ledger x: the reason: `layer secret init` makes one"},
		{&rotate.Problem{Kind: rotate.Stopped, Err: fmt.Errorf("%s: %w", a, problem(rotate.Ahead))},
			"stopped before anything was changed: $SECRET.auth.a: the store is ahead of the ledger: the reason. If there is none, `layer secret rotate --adopt-ledger` goes on with this one"},
		{errors.Join(problem(rotate.NoVersion), errors.New("unlock")), "the reason: `layer secret status --json` lists those that it has\nunlock"},
	} {
		require.Equal(t, tc.want, words(tc.err))
	}
	_, err := secret.ParseAddress("x")
	require.Equal(t, "the address: "+strings.TrimPrefix(err.Error(), "secret: "), words(fmt.Errorf("the address: %w", err)))
	require.NotContains(t, words(err), "secret: ")
}

// TestSeveralErrorsAreOneLine checks joined errors, also where another error
// wraps them.
func TestSeveralErrorsAreOneLine(t *testing.T) {
	problem := &rotate.Problem{Kind: rotate.NoVersion, Err: errors.New("the reason")}
	for _, err := range []error{errors.Join(problem, errors.New("unlock")), fmt.Errorf("sweep: %w", errors.Join(errors.New("a"), problem, errors.New("b")))} {
		require.NotContains(t, onOneLine(err), "\n")
		require.Contains(t, onOneLine(err), "the reason: `layer secret status --json` lists those that it has; ")
	}
	require.Equal(t, "a\nname", onOneLine(errors.New("a\nname")))
}
