package rotate

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
	"testing/synctest"
	"time"

	targetdir "github.com/layeron-hq/secret/layer/target/dir"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret"
)

// cookie is signed by a program and names the version.
type cookie struct {
	id   string
	sum  []byte
	made time.Time
}

func bake(t *testing.T, v secret.Version, now time.Time) cookie {
	t.Helper()
	key, err := v.Bytes()
	require.NoError(t, err)
	return cookie{v.ID, mac(key, v.ID), now}
}

func (c cookie) verify(v secret.Version) bool {
	key, err := v.Bytes()
	return err == nil && hmac.Equal(c.sum, mac(key, c.id))
}

// unwatched is a store that reports no changes: only a refresh updates its
// readers.
type unwatched struct{ secret.Store }

// Apps that refresh at different paces read a directory through package secret.
// They sign and verify across whole rotations while a cron job rotates. All of
// them accept each signature for as long as the declaration retains it.
func TestCookiesAcrossRotations(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		declared := func() *secret.Secret {
			return secret.Random(secret.Options{Namespace: "auth", Name: "key", Rotation: retained(2)})
		}
		s := newScene(t, declared())
		s.Publisher, s.clock, s.mint = targetdir.New(dir), nil, nil
		_, err := s.Apply(t.Context())
		require.NoError(t, err)

		// At most 3/4 of the window behind, with the jitter of 10 % included.
		var keys []*secret.Secret
		for _, refresh := range []time.Duration{50 * time.Minute, 5 * time.Hour, 16 * time.Hour} {
			key := declared()
			app := secret.NewApp(secret.AppOptions{Store: unwatched{secret.Dir(dir)}, Refresh: refresh}).Use(key)
			require.NoError(t, app.Start(t.Context()))
			defer app.Close()
			keys = append(keys, key)
		}
		var cookies []cookie
		used := map[string]bool{}
		for hour := 0; hour < 24*70; hour += 3 {
			time.Sleep(3 * time.Hour)
			if hour%5 == 1 { // sometimes
				_, err := s.Rotate(context.Background(), RotateOptions{})
				require.NoError(t, err)
			}
			for len(cookies) > 0 && time.Since(cookies[0].made) > 2*day {
				cookies = cookies[1:]
			}
			for _, key := range keys {
				v, err := key.Current().Get(t.Context())
				require.NoError(t, err)
				cookies = append(cookies, bake(t, v, time.Now()))
				used[v.ID] = true
			}
			for _, key := range keys {
				active, err := key.Active()
				require.NoError(t, err)
				ids := map[string]secret.Version{}
				for _, v := range active {
					ids[v.ID] = v
				}
				for _, c := range cookies {
					require.True(t, c.verify(ids[c.id]), "in hour %d: a cookie of %s, %v old", hour, c.id, time.Since(c.made))
				}
			}
		}
		require.Len(t, used, 3, "two rotations, and the first value")
	})
}

// Readers are up to three quarters of the window behind, in every combination,
// at every hour.
func TestReadersThatAreBehind(t *testing.T) {
	for name, r := range map[string]*secret.Rotation{"none": every(7), "for 2 days": {EveryDays: 7,
		Retain: secret.Retention{Mode: secret.RetainFor, Days: 2}}} {
		t.Run(name, func(t *testing.T) {
			key := aRandom("key", r)
			s := newScene(t, key)
			s.did(s.apply())
			begin := s.at
			var docs []*secret.Document
			docAt := func(hour, behind int) *secret.Document { return docs[max(0, hour-behind)] }
			const hours = 24 * 24
			for hour := range hours {
				s.at = begin.Add(time.Duration(hour) * time.Hour)
				if hour%7 == 0 {
					s.seen(s.rotate())
				}
				docs = append(docs, s.doc(key))
			}
			behind := []int{0, 7, 18}
			last := map[string]bool{}
			for hour := range hours {
				for _, b := range behind {
					v := docAt(hour, b).Current()
					last[v.ID] = true
					for later := hour; later <= min(hours-1, hour+24*r.Retain.Days); later++ {
						now := begin.Add(time.Duration(later) * time.Hour)
						for _, other := range behind {
							got, err := docAt(later, other).ActiveVersion(v.ID, now)
							require.NoError(t, err, "signed in hour %d, %d behind; read in hour %d, %d behind", hour, b, later, other)
							require.True(t, got.Equal(v.Text()))
						}
					}
				}
			}
			require.Greater(t, len(last), 3)
		})
	}
}

// A version opens the data that it sealed as long as versions are retained,
// even after later versions are current.
func TestSealedRecordsStayReadable(t *testing.T) {
	key := aRandom("key", kept())
	s := newScene(t, key)
	s.did(s.apply())
	sums := map[string][32]byte{}
	for range 6 {
		v := s.doc(key).Current()
		sums[v.ID] = sha256.Sum256([]byte(v.Text()))
		s.pass(31 * day)
		s.did(s.rotate())
		s.pass(day)
		s.did(s.rotate())
		for id, sum := range sums {
			require.Equal(t, sum, sha256.Sum256([]byte(s.version(key, id).Text())))
		}
	}
	require.Len(t, sums, 6)
}
