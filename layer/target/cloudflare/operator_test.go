package cloudflare

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/internal/redacttest"
	"github.com/layeron-hq/secret/layer/generate/r2"
	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
	"github.com/layeron-hq/secret/layer/rotate"
)

// operate returns an Operator on a fake account, with a new ledger.
func operate(t *testing.T, fo cloudflarefake.Options, secrets ...*secret.Secret) (*cloudflarefake.Server,
	func() *rotate.Operator) {
	t.Helper()
	fake, o := start(t, fo)
	ledger := &rotate.MemoryLedger{}
	_, _, err := rotate.Commit(t.Context(), ledger, "", rotate.NewState(rotate.Settings{}))
	require.NoError(t, err)
	return fake, func() *rotate.Operator { // each command opens the target again
		store, _ := open(t, o)
		tokens, err := generator(o)
		require.NoError(t, err)
		return &rotate.Operator{Ledger: ledger, Publisher: store,
			Spec:       secret.NewApp(secret.AppOptions{}).Use(secrets...).Spec(),
			Generators: map[string]driver.Generator{r2.Name: tokens}}
	}
}

func randoms(n int) (list []*secret.Secret) {
	for i := range n {
		list = append(list, secret.Random(secret.Options{Namespace: "many", Name: fmt.Sprintf("key-%d", i)}))
	}
	return list
}

func TestApplyOfNinetySecrets(t *testing.T) {
	for _, most := range []int{100, 25} {
		fake, operator := operate(t, cloudflarefake.Options{PageCap: most}, randoms(90)...)
		r, err := operator().Apply(t.Context())
		require.NoError(t, err)
		require.True(t, r.OK())
		require.Len(t, r.Actions, 90)
		require.Len(t, fake.Names(), 90)
		pages := (90 + most - 1) / most
		require.LessOrEqual(t, len(fake.Requests()), 8+pages-1)
		t.Logf("apply of 90 new secrets, pages of %d: %d requests", most, len(fake.Requests()))

		fake.Forget()
		r, err = operator().Rotate(t.Context(), rotate.RotateOptions{})
		require.NoError(t, err)
		require.True(t, r.OK())
		require.Empty(t, r.Actions)
		require.Len(t, fake.Requests(), 1+pages)
		for _, req := range fake.Requests() {
			require.False(t, req.Writes(), "%s %s", req.Method, req.Path)
		}
	}
}

// TestRefusedBeforeAnythingChanges: after the refusal the ledger is unchanged, and
// nothing was written to the target.
func TestRefusedBeforeAnythingChanges(t *testing.T) {
	one := secret.Random(secret.Options{Namespace: "auth", Name: "key"})
	for name, c := range map[string]struct {
		options cloudflarefake.Options
		secrets []*secret.Secret
		allow   cloudflarefake.Permission
		says    string
	}{
		"one store name": {secrets: []*secret.Secret{secret.Random(secret.Options{Name: "a", SecretName: "same"}),
			secret.Random(secret.Options{Name: "b", SecretName: "same"})}, says: "same name"},
		"the store is full": {secrets: randoms(101), says: "100"},
		"may not even read": {secrets: []*secret.Secret{one}, allow: cloudflarefake.WriteTokens, says: "Secrets Store"},
	} {
		t.Run(name, func(t *testing.T) {
			fake, operator := operate(t, c.options, c.secrets...)
			if c.allow != 0 {
				fake.Allow(cloudflarefake.Token, c.allow)
			}
			o := operator()
			before, rev, err := o.Ledger.Load(t.Context())
			require.NoError(t, err)
			_, err = o.Apply(t.Context())
			require.ErrorContains(t, err, c.says)
			after, now, err := o.Ledger.Load(t.Context())
			require.NoError(t, err)
			require.Equal(t, rev, now)
			require.True(t, before.Equal(after))
			require.Empty(t, fake.Names())
		})
	}
}

// TestNextRunFinishesWhatATokenMayNotWrite: the values are in the ledger, and the
// runs send no unnecessary request.
func TestNextRunFinishesWhatATokenMayNotWrite(t *testing.T) {
	fake, operator := operate(t, cloudflarefake.Options{}, randoms(3)...)
	fake.Allow(cloudflarefake.Token, cloudflarefake.ReadSecrets)
	r, err := operator().Apply(t.Context())
	require.NoError(t, err)
	require.False(t, r.OK() && r.Settled())
	require.Len(t, r.Unconfirmed, 3)
	require.Empty(t, fake.Names())
	require.NotContains(t, methods(fake.Requests()), "PATCH")

	fake.Allow(cloudflarefake.Token, cloudflarefake.ReadSecrets|cloudflarefake.WriteSecrets)
	r, err = operator().Apply(t.Context())
	require.NoError(t, err)
	require.True(t, r.OK() && r.Settled())
	require.Len(t, fake.Names(), 3)
}

// TestEveryFaultAtEveryRequest breaks each request of an apply, a rotation and a
// change in each way. After any outcome, a run without faults finishes the work
// and reports no drift.
func TestEveryFaultAtEveryRequest(t *testing.T) {
	faults := map[string]cloudflarefake.Fault{
		"500":                      {Status: http.StatusInternalServerError},
		"500, applied":             {Status: http.StatusInternalServerError, Applied: cloudflarefake.Now},
		"dropped":                  {Drop: true},
		"dropped, applied":         {Drop: true, Applied: cloudflarefake.Now},
		"no success":               {Status: http.StatusOK},
		"200, no success, applied": {Status: http.StatusOK, Applied: cloudflarefake.Now},
		"applied twice":            {Applied: cloudflarefake.Twice},
		"403":                      {Status: http.StatusForbidden},
		"409":                      {Status: http.StatusConflict},
		"429":                      {Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"2"}}},
	}
	secrets := []*secret.Secret{
		secret.Random(secret.Options{Namespace: "auth", Name: "key"}),
		secret.Random(secret.Options{Namespace: "auth", Name: "other"}),
		secret.Generated(secret.Options{Namespace: "storage", Name: "r2", Generator: r2.Name,
			Params: map[string]string{"bucket": "media", "access": "read"}}),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			for at := 0; ; at++ {
				fake, operator := operate(t, cloudflarefake.Options{}, secrets...)
				fault := fault
				fault.Skip, fault.Times = at, 1
				fake.Fail(fault)
				var said []string
				run := func(do func(*rotate.Operator) (rotate.Result, error)) rotate.Result {
					r, err := do(operator())
					said = append(said, fmt.Sprintf("%+v %v", r, err))
					return r
				}
				apply := func(o *rotate.Operator) (rotate.Result, error) { return o.Apply(context.Background()) }
				turn := func(o *rotate.Operator) (rotate.Result, error) {
					return o.Rotate(context.Background(), rotate.RotateOptions{Immediate: true})
				}
				settle := func(o *rotate.Operator) (rotate.Result, error) {
					return o.Rotate(context.Background(), rotate.RotateOptions{})
				}
				run(apply)
				run(turn)
				met := len(fake.Requests()) > at
				run(settle)
				last := run(settle)
				for _, s := range last.Secrets {
					require.Equal(t, rotate.StateOK, s.State, "request %d: %v %v", at, s.Address, s.Problem)
				}
				require.Len(t, fake.Names(), 3)
				require.Empty(t, last.Actions, "request %d", at)
				var values []string
				for _, n := range fake.Names() {
					text, _ := fake.Value(n)
					doc, err := secret.Parse(text)
					require.NoError(t, err)
					for v := range doc.All() {
						// The id and the endpoint of a token are not secret.
						var keys struct{ SecretAccessKey string }
						if v.JSON(&keys) == nil {
							values = append(values, keys.SecretAccessKey)
							continue
						}
						values = append(values, v.Text())
					}
				}
				for _, v := range values {
					require.Empty(t, redacttest.Find(strings.Join(said, "\n"), v))
				}
				require.Empty(t, redacttest.Find(strings.Join(said, "\n"), cloudflarefake.Token))
				minted := 0
				for _, s := range last.Secrets {
					if s.Kind == secret.KindGenerated {
						minted = len(s.Versions)
					}
				}
				require.Len(t, fake.Tokens(), minted, "request %d: tokens that the ledger does not know", at)
				if !met {
					return
				}
			}
		})
	}
}
