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

// failure puts what a request came to into words, which show nothing of what was sent: a message of a server, or of somebody in
// between, may repeat it. Where ctx has ended, its cause is told beside the failure before, if there was one.
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
	return errors.New(words(err))
}

// denied is the failure of a request that this client's credential does not allow,
// or that needs one. It wraps [fs.ErrPermission].
type denied string

func (d denied) Error() string { return string(d) }
func (d denied) Unwrap() error { return fs.ErrPermission }

// hints are what to do about etcd's own words.
var hints = map[string]string{
	desc(rpctypes.ErrGRPCPermissionDenied):       "let the user's role read this key, or write it and its note",
	desc(rpctypes.ErrGRPCUserEmpty):              "etcd asks for a user: give one, and a password",
	desc(rpctypes.ErrGRPCAuthFailed):             "correct user and password",
	desc(rpctypes.ErrGRPCInvalidAuthToken):       "run it again, which logs in anew",
	desc(rpctypes.ErrGRPCAuthOldRevision):        "run it again, which logs in anew",
	desc(rpctypes.ErrGRPCRequestTooLarge):        "let fewer versions be retained, or raise --max-request-bytes of etcd",
	desc(rpctypes.ErrGRPCNoSpace):                "compact and defragment etcd, then disarm its alarm",
	desc(rpctypes.ErrGRPCNoLeader):               "a majority of the members must be up, and reach each other",
	desc(rpctypes.ErrGRPCTimeout):                "a majority of the members must be up, and reach each other",
	desc(rpctypes.ErrGRPCTooManyOps):             "raise --max-txn-ops of etcd to 128",
	desc(rpctypes.ErrGRPCRequestTooManyRequests): "etcd has too much to do: run it again later",
}

func desc(err error) string { return rpctypes.ErrorDesc(err) }

// transport are marks in grpc's own messages, as regular expressions, and what they say. The first that fits counts.
var transport = []struct{ mark, words string }{
	{"keepalive ping failed", "the member does not answer any more"},
	{"connection refused", "connection refused: no member listens at the endpoints"},
	{"no such host", "no such host: check the endpoints"},
	{"i/o timeout", "no member could be reached in time"},
	{"unreachable|no route to host", "no member can be reached: check the network"},
	{"handshake failed: context deadline exceeded", "the member takes the connection and answers nothing"},
	{"use of closed network connection", "the member takes the connection and answers nothing"}, // which grpc then closes
	{"remote error: tls: .*certificate", "the member asks for a certificate, and trusts none that it was shown"},
	{"x509: ", "the certificate of the member is not trusted: check the endpoints and the certificates"},
	{"first record does not look like a TLS handshake", "the member speaks no TLS there: give its endpoint as http://host:port, or mend the member"},
	{"tls: ", "the members and this program cannot agree on TLS: check the certificates, and which versions each takes"},
	{"handshake failed", "the member closes the connection at once: if it speaks no TLS, give its endpoint as http://host:port, or mend the member"},
	// With TLS 1.3 this side may be writing already when the member finds that it was shown no certificate.
	{"error reading server preface|^(last connection error: )?write tcp ", "the member closes the connection at once: if it speaks TLS, give its endpoint as https://host:port, and if it asks for a certificate, one that it trusts"},
}

const unanswered = "no answer in time: check the endpoints and the network"

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
	return "etcd, or something on the way, answers " + s.Code().String()
}

// closing is what grpc says of a connection that this program has closed.
const closing = "grpc: the client connection is closing"

// advised returns etcd's own words, and what to do.
func advised(text string) string {
	hint := hints[text]
	text = strings.TrimPrefix(text, "etcdserver: ")
	if hint != "" {
		text += ": " + hint
	}
	return text
}

// passing tells whether the next attempt, or another member, may do better.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return desc(err) != desc(rpctypes.ErrGRPCNoSpace)
	}
	return false
}

// refused tells whether a write was certainly not carried out, and never will be.
func refused(err error) bool {
	// A write for which the last room was taken meanwhile is carried out, and then told of so.
	if desc(err) == desc(rpctypes.ErrGRPCNoSpace) || strings.Contains(desc(err), "RST_STREAM") {
		return false // and whoever ends a stream says nothing of what became of it, whatever grpc makes of that
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated, codes.ResourceExhausted,
		codes.OutOfRange, codes.Unimplemented, codes.NotFound:
		return true
	}
	return false
}
