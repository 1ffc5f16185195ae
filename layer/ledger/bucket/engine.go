package bucket

import (
	"context"
	"errors"
	"net/http"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/ledger/internal/resend"
	"github.com/layeron-hq/secret/layer/rotate"
)

// etagForm matches one ETag, as a server sends it. A list of ETags, or a star for
// any, would change the meaning of the condition.
var etagForm = lazyregexp.New(`^(?:(?:W/)?"[!#-~]+"|[0-9A-Za-z_-]+)$`)

// Fetch implements [resend.Engine].
func (c *client) Fetch(ctx context.Context) (resend.Blob, error) {
	a, err := c.do(ctx, http.MethodGet, ledgerObject, [2]string{}, nil)
	switch {
	case err != nil:
		return resend.Blob{}, err
	case a.status == http.StatusNotFound && a.code == "NoSuchKey":
		return resend.Blob{}, nil
	case a.status != http.StatusOK:
		return resend.Blob{}, a.failure("read", false)
	case !etagForm().MatchString(a.etag):
		return resend.Blob{}, &resend.Failure{Err: errors.New("the server answered without an ETag: a proxy on the " +
			"way removes it, or the endpoint is no S3 server. Check the endpoint")}
	}
	return resend.Blob{Sealed: a.body, Revision: rotate.Revision(a.etag)}, nil
}

// Torn implements [resend.Tearer].
func (*client) Torn() string {
	return "the server may answer with an object that is only half written, as rclone's does: run again while no " +
		"other run writes, and keep the ledger on a server that replaces objects as a whole"
}

// Send implements [resend.Engine].
func (c *client) Send(ctx context.Context, old rotate.Revision, sealed []byte) (rotate.Revision, error) {
	condition := [2]string{"If-None-Match", "*"}
	if old != "" {
		if !etagForm().MatchString(string(old)) {
			return "", &resend.Failure{Outcome: resend.Conflict, Err: errors.New("it never had that revision")}
		}
		condition = [2]string{"If-Match", string(old)}
	}
	a, err := c.do(ctx, http.MethodPut, ledgerObject, condition, sealed)
	switch {
	case err != nil:
		return "", err
	case a.status/100 != 2:
		return "", a.failure("written", old != "")
	case !etagForm().MatchString(a.etag):
		return "", &resend.Failure{Outcome: resend.Unknown, Err: errors.New("it was written, but the server answered " +
			"without an ETag")}
	}
	return rotate.Revision(a.etag), nil
}

// probe sends a conditional write that the server must refuse: no object has this
// ETag.
func (c *client) probe(ctx context.Context) error {
	a, err := c.do(ctx, http.MethodPut, probeObject, [2]string{"If-Match", `"00000000000000000000000000000000"`},
		[]byte("nothing should ever write this\n"))
	switch {
	case err != nil:
		return err
	case a.status == http.StatusPreconditionFailed, a.status == http.StatusNotFound && (a.code == "NoSuchKey" ||
		a.code == ""):
		return nil
	case a.status == http.StatusNotImplemented:
		return &resend.Failure{Err: errors.New("the server does not support conditional writes (status 501): " +
			chooseAnother)}
	case a.status/100 == 2:
		ending := "It is deleted again"
		if a, err := c.do(ctx, http.MethodDelete, probeObject, [2]string{}, nil); err != nil || a.status/100 != 2 {
			ending = "Delete the object " + c.object(probeObject)
		}
		return &resend.Failure{Err: errors.New("the server ignores conditions: it wrote a probe that it should have " +
			"refused. " + ending + ", and " + chooseAnother)}
	}
	return a.failure("probed", false)
}

const chooseAnother = "choose a server that honours If-Match, such as S3, R2, MinIO or versitygw"
