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
		"Unsettled": "the next run goes on", "Stopped": "the reason is another error",
		"Refused": "the reason says what to do",
		"Foreign": "the reason says what to do", "NotEnded": "a warning says what to do",
		"EndUnknown": "a warning says what to do", "Untested": "a warning says what to do",
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
		{problem(rotate.NeedsValue),
			"external_value_required: the reason: set the value with `layer secret set auth.a`"},
		{problem(rotate.Bound),
			"bound: the reason: to rotate it, run `layer secret set auth.a` with the value that the target has, " +
				"then `layer secret rotate --adopt-ledger`"},
		{problem(rotate.Drifted),
			"drifted: the reason: to publish the ledger's value again, run `layer secret rotate --adopt-ledger`"},
		{problem(rotate.ValueKept),
			"drifted: the reason: to publish the kept value over it, run `layer secret rotate --adopt-ledger`"},
		{problem(rotate.ValueUnknown), "drifted: the reason: run `layer secret set auth.a` with that value first"},
		{problem(rotate.Ahead),
			"the target is ahead of the ledger: the reason. If there is no newer one, use this one with `layer secret " +
				"rotate --adopt-ledger`"},
		{problem(rotate.WrongTarget),
			"stopped before anything was changed: the reason. Get the right ledger, or run `layer secret rotate " +
				"--adopt-ledger` to use this one"},
		{problem(rotate.Unsettled), "unsettled: the reason"},
		{problem(rotate.Refused), "the reason"},
		{problem(rotate.NoValue), "the reason: `layer secret apply` makes a value that is random or generated, " +
			"and `layer secret set` takes one from you"},
		{problem(rotate.NoVersion), "the reason: `layer secret status --json` lists its versions"},
		{problem(rotate.NoPrevious),
			"the reason. Set a new value with `layer secret set`, or make one with `layer secret rotate --now`"},
		{problem(rotate.CurrentVersion), "the reason: set a new value first, with `layer secret set auth.a`"},
		{problem(rotate.AlreadyAnnounced),
			"the reason: `layer secret rotate` finishes that rotation when it is due, and `layer secret rollback " +
				"auth.a` withdraws it"},
		{problem(rotate.PlainValue),
			"the reason: to replace the value at once, run `layer secret rotate --immediate auth.a`"},
		{problem(rotate.NewName),
			"the reason: `layer secret rename auth.a auth.a`, with the same address twice, publishes it " +
				"under the new name"},
		{problem(rotate.NameTaken),
			"the reason: to hand the name over, run `layer secret rename auth.b auth.a`"},
		{problem(rotate.FormerName), "bound: the reason: delete it with `layer secret remove auth.b`"},
		{problem(rotate.WrongPlace),
			"stopped before anything was changed: the reason. If its values are lost for good, publish every secret again " +
				"with `layer secret rotate --adopt-ledger`"},
		{problem(rotate.NotMade), "the reason: run the command again to make one"},
		{problem(rotate.Foreign), "the reason"},
		{problem(rotate.Undeclared), "the reason: `layer secret status` lists the declared secrets"},
		{problem(rotate.NoLedger), "the reason: make one with `layer secret init`"},
		{problem(rotate.WrongLedger),
			"the reason. If this ledger is the right one, delete layer.seen and give the ledger's id with --ledger-id, or run " +
				"`layer secret rotate --adopt-ledger` to use it"},
		{problem(rotate.Moved),
			"the reason, with --ledger or LAYER_LEDGER. If no ledger is there, run `layer secret rotate --adopt-ledger` to " +
				"use the one here"},
		{problem(rotate.HalfMoved),
			"the reason. Move it again, or run `layer secret rotate --adopt-ledger` to use the old one"},
		{problem(rotate.Copies), "the reason. Compare them with `layer secret log`"},
		{fmt.Errorf("ledger x: %w", problem(rotate.NoLedger)), "ledger x: the reason: make one with `layer secret init`"},
		{&rotate.Problem{Kind: rotate.Stopped, Err: fmt.Errorf("%s: %w", a, problem(rotate.Ahead))},
			"stopped before anything was changed: $SECRET.auth.a: the target is ahead of the ledger: the reason. If there is " +
				"no newer one, use this one with `layer secret rotate --adopt-ledger`"},
		{errors.Join(problem(rotate.NoVersion), errors.New("unlock")),
			"the reason: `layer secret status --json` lists its versions\nunlock"},
	} {
		require.Equal(t, tc.want, words(tc.err))
	}
	_, err := secret.ParseAddress("x")
	require.Equal(t, "the address: "+strings.TrimPrefix(err.Error(), "secret: "),
		words(fmt.Errorf("the address: %w", err)))
	require.NotContains(t, words(err), "secret: ")
}

// TestSeveralErrorsAreOneLine checks joined errors, also where another error
// wraps them.
func TestSeveralErrorsAreOneLine(t *testing.T) {
	problem := &rotate.Problem{Kind: rotate.NoVersion, Err: errors.New("the reason")}
	for _, err := range []error{errors.Join(problem, errors.New("unlock")),
		fmt.Errorf("sweep: %w", errors.Join(errors.New("a"), problem, errors.New("b")))} {
		require.NotContains(t, onOneLine(err), "\n")
		require.Contains(t, onOneLine(err), "the reason: `layer secret status --json` lists its versions; ")
	}
	require.Equal(t, "a\nname", onOneLine(errors.New("a\nname")))
}
