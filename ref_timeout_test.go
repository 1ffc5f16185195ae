//go:build !js

package secret_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// A store that never answers costs a read without a context ten seconds, and
// the error names the operation that waited.
func TestReadWithoutContextIsPatientForTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessionKey(askFunc(func(ctx context.Context, _ secret.Address) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}))
		for _, read := range []func() error{
			func() error { _, err := s.Current().Text(); return err },
			func() error { _, err := s.Current().Bytes(); return err },
			func() error { return s.Current().JSON(new(any)) },
			func() error { _, err := secret.JSON[any](s.Current()); return err },
			func() error { _, err := s.Active(); return err },
			func() error { _, err := s.ActiveAt(time.Unix(0, 0)); return err },
		} {
			start := time.Now()
			err := read()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "$SECRET.auth.session-key")
			require.Equal(t, 10*time.Second, time.Since(start))
		}
	})
}

// Get and Load leave the limit to their caller.
func TestReadWithContextHasNoLimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sessionKey(askFunc(func(ctx context.Context, _ secret.Address) (string, error) {
			_, limited := ctx.Deadline()
			if limited {
				return "", errors.New("limited")
			}
			return "x", nil
		}))
		_, err := s.Load(context.Background())
		require.NoError(t, err)
		_, err = s.Current().Get(context.Background())
		require.NoError(t, err)
	})
}
