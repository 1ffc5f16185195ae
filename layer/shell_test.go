package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A command that a signal ends may end before the same signal has ended the
// context of layer. await waits for both, so that the run counts as interrupted.
func TestAwaitWaitsForTheContextAfterASignal(t *testing.T) {
	t.Parallel()
	killed := errors.New("signal: terminated")
	const second = time.Second
	for name, test := range map[string]struct {
		shared          bool
		signal          os.Signal
		signalAt, endAt time.Duration
		ctxAt           time.Duration // zero: never
		err             error
		takes           time.Duration
		sent            []os.Signal
		interrupted     bool
	}{
		"the signal ends the command": {signal: syscall.SIGTERM, signalAt: second, endAt: second, ctxAt: 2 * second,
			err: killed, takes: 2 * second, interrupted: true},
		"the command ends later": {signal: syscall.SIGTERM, signalAt: second, endAt: 3 * second, ctxAt: 2 * second,
			err: killed, takes: 3 * second, sent: []os.Signal{syscall.SIGTERM}, interrupted: true},
		"the command has succeeded": {signal: syscall.SIGTERM, signalAt: second, endAt: 2 * second, ctxAt: 3 * second,
			takes: 3 * second, sent: []os.Signal{syscall.SIGTERM}, interrupted: true},
		"the terminal's signal reaches the command first": {shared: true, signal: os.Interrupt,
			signalAt: second + lateSignal/2, endAt: second, ctxAt: 2 * second, err: killed, takes: 2 * second, interrupted: true},
		"no signal, the command fails":       {endAt: second, err: killed, takes: second},
		"no signal, in a terminal, it fails": {shared: true, endAt: second, err: killed, takes: second + lateSignal},
		"no signal, it succeeds":             {shared: true, endAt: second, takes: second},
		"the signal came before Notify": {shared: true, endAt: 2 * second, ctxAt: second, err: killed,
			takes: 2*second + lateSignal, sent: []os.Signal{os.Interrupt}, interrupted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done, signals := make(chan error, 1), make(chan os.Signal, 1)
				time.AfterFunc(test.endAt, func() {
					if test.signal != nil && test.signalAt == test.endAt {
						signals <- test.signal
					}
					done <- test.err
				})
				if test.signal != nil && test.signalAt != test.endAt {
					time.AfterFunc(test.signalAt, func() { signals <- test.signal })
				}
				if test.ctxAt > 0 {
					time.AfterFunc(test.ctxAt, cancel)
				}
				var sent []os.Signal
				began := time.Now()
				err := await(ctx, done, signals, test.shared, func(s os.Signal) { sent = append(sent, s) })
				require.Equal(t, test.takes, time.Since(began))
				require.Equal(t, test.err, err)
				require.Equal(t, test.interrupted, ctx.Err() != nil)
				if test.signalAt != test.endAt { // else the order of the two is open
					require.Equal(t, test.sent, sent)
				}
			})
		})
	}
}
