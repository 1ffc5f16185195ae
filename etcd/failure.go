package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// failure returns the error of a request, in words of this package. A message of a
// server or of a proxy is never shown, because it may repeat the request. If ctx
// has ended, the error wraps its cause, and adds the failure before, if there was
// one.
func failure(ctx context.Context, err, before error) error {
	if ctx.Err() != nil {
		if before != nil {
			return fmt.Errorf("%w (%s)", context.Cause(ctx), words(before))
		}
		return context.Cause(ctx)
	}
	if desc(err) == desc(rpctypes.ErrGRPCUserEmpty) || desc(err) == desc(rpctypes.ErrGRPCPermissionDenied) {
		return denied(words(err))
	}
	if desc(err) == desc(rpctypes.ErrGRPCAuthFailed) {
		return badLogin(words(err))
	}
	return errors.New(words(err))
}

// denied is the failure of a request that this client's credential does not allow,
// or that needs one. It wraps [fs.ErrPermission].
type denied string

func (d denied) Error() string { return string(d) }
func (d denied) Unwrap() error { return fs.ErrPermission }

// badLogin is the failure of a login with a wrong user or password. For a program
// it is a refused access: a reader wraps [fs.ErrPermission]. For an operator it is
// a mistake, and `layer` does not continue without an answer of the target.
type badLogin string

func (b badLogin) Error() string { return string(b) }

// asReader returns err as an error of a read: see badLogin.
func asReader(err error) error {
	if b, ok := err.(badLogin); ok {
		return denied(b)
	}
	return err
}

// hints are the next steps for the operator, by etcd's own error text.
var hints = map[string]string{
	desc(rpctypes.ErrGRPCPermissionDenied): "let the user's role read this key, or write it and its note",
	desc(rpctypes.ErrGRPCUserEmpty):        "etcd asks for a user: give one, and a password",
	desc(rpctypes.ErrGRPCAuthFailed):       "correct user and password",
	desc(rpctypes.ErrGRPCInvalidAuthToken): "run it again to log in again",
	desc(rpctypes.ErrGRPCAuthOldRevision):  "run it again to log in again",
	desc(rpctypes.ErrGRPCRequestTooLarge): "let fewer versions be retained, or raise " +
		"--max-request-bytes of etcd",
	desc(rpctypes.ErrGRPCNoSpace):                "compact and defragment etcd, then disarm its alarm",
	desc(rpctypes.ErrGRPCNoLeader):               "a majority of the members must be up, and reach each other",
	desc(rpctypes.ErrGRPCTimeout):                "a majority of the members must be up, and reach each other",
	desc(rpctypes.ErrGRPCTooManyOps):             "raise --max-txn-ops of etcd to 128",
	desc(rpctypes.ErrGRPCRequestTooManyRequests): "etcd is overloaded: run it again later",
}

func desc(err error) string { return rpctypes.ErrorDesc(err) }

// transport maps grpc's own messages, by regular expression, to this package's
// words. The first match counts.
var transport = []struct{ mark, words string }{
	{"keepalive ping failed", "the member does not answer any more"},
	{"connection refused", "connection refused: no member listens at the endpoints"},
	{"no such host", "no such host: check the endpoints"},
	{"i/o timeout", "no member could be reached in time"},
	{"unreachable|no route to host", "no member can be reached: check the network"},
	{"handshake failed: context deadline exceeded", "the member takes the connection and answers nothing"},
	// which grpc then closes
	{"use of closed network connection", "the member takes the connection and answers nothing"},
	{"remote error: tls: .*certificate", "the member requires a client certificate that it " +
		"trusts, and did not get one"},
	{"x509: ", "the certificate of the member is not trusted: check the endpoints and the certificates"},
	{"first record does not look like a TLS handshake", "the member does not use TLS there: give its endpoint as " +
		"http://host:port, or enable TLS on the member"},
	{"tls: ", "the members and this program cannot agree on TLS: check the certificates, and the TLS " +
		"versions of both sides"},
	{"handshake failed", "the member closes the connection at once: if it does not use TLS, give its endpoint as " +
		"http://host:port, or enable TLS on the member"},
	// With TLS 1.3, this side may already be writing when the member detects that it
	// got no certificate.
	{"error reading server preface|^(last connection error: )?write tcp ", "the member closes the connection at " +
		"once: if it uses TLS, give its endpoint as https://host:port, and if it requires a client certificate, " +
		"give one that it trusts"},
}

const unanswered = "no answer in time: check the endpoints and the network"

// words describes the error of a request without any part of the request.
func words(err error) string {
	if etcd, known := rpctypes.Error(err).(rpctypes.EtcdError); known {
		return advised(etcd.Error())
	}
	s, ok := status.FromError(err)
	switch {
	case errors.Is(err, io.EOF):
		return "the member has ended the watch"
	case !ok:
		return "the request could not be made"
	case s.Code() == codes.DeadlineExceeded:
		return unanswered
	case s.Message() == closing:
		return "it was closed"
	case s.Code() == codes.Unavailable:
		for _, t := range transport {
			if fits, _ := regexp.MatchString(t.mark, s.Message()); fits {
				return t.words
			}
		}
		return "the connection was lost, or there is none: check the endpoints and the network"
	}
	return "etcd, or a proxy on the way, answers " + s.Code().String()
}

// closing is grpc's message for a connection that this program has closed.
const closing = "grpc: the client connection is closing"

// advised returns etcd's own error text, with the next step if there is a hint.
func advised(text string) string {
	hint := hints[text]
	text = strings.TrimPrefix(text, "etcdserver: ")
	if hint != "" {
		text += ": " + hint
	}
	return text
}

// passing reports whether another attempt, or another member, may succeed.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return desc(err) != desc(rpctypes.ErrGRPCNoSpace) && !tooLarge(err)
	}
	return false
}

// refused reports whether a write was certainly not applied, and never will be.
func refused(err error) bool {
	// A write that exhausts the quota is applied but reported as NOSPACE. A reset
	// stream does not show whether the write was applied; grpc may report any code for
	// it.
	if desc(err) == desc(rpctypes.ErrGRPCNoSpace) || strings.Contains(desc(err), "RST_STREAM") {
		return false
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated,
		codes.ResourceExhausted,
		codes.OutOfRange, codes.Unimplemented, codes.NotFound:
		return true
	}
	return false
}
