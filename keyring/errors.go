package keyring

import (
	"errors"
	"strconv"

	"github.com/layeron-hq/secret"
)

// Every refusal wraps ErrInvalidToken or ErrOpen; test for them with
// [errors.Is]. If a text is refused because of the version that it names, the
// error also wraps [secret.ErrVersionNotFound] or [secret.ErrNotActive]. If the
// store could not be asked for an unknown version, the refusal also wraps the
// reason, such as an error of the store or of ctx; only [Find] then refuses
// nothing. If instead the secret cannot be read at all, or the declaration or
// the key is at fault, the error wraps neither ErrInvalidToken nor ErrOpen: it
// does not mean that the text is bad, and the same text may be accepted later.
var (
	// ErrInvalidToken: the token or the code is not accepted, or [Find] found no
	// key that it could accept. Answer as for a request without a token.
	ErrInvalidToken = errors.New("invalid token")
	// ErrOpen: the sealed text does not open under this key, purpose and context.
	ErrOpen = errors.New("the sealed text does not open")
	// ErrExpired: the token is genuine but has expired. It comes together with
	// ErrInvalidToken.
	ErrExpired = errors.New("the token has expired")
)

// The faults of a text. They contain only facts that the holder of the text can
// see.
var (
	errForm         = errors.New("it has not the form of a token")
	errSignature    = errors.New("it was not signed by the version that it names, for this purpose, or was changed since")
	errSealedForm   = errors.New("it has not the form of a sealed text, or was cut off")
	errKeyOrContext = errors.New("it was sealed under another key, for another purpose or in another context, or was " +
		"changed since")
	errChanged = errors.New("it was changed since")
)

// failure is an error that wraps others. fmt.Errorf would make the same error,
// and add 4 KB to a Worker.
type failure struct {
	text  string
	wraps []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.wraps }

func fail(text string, wraps ...error) error { return &failure{text, wraps} }

// because returns an error of a class, with the reason.
func because(class error, why string) error { return fail(class.Error()+": "+why, class) }

// wrap returns an error that puts text before err.
func wrap(text string, err error) error { return fail(text+": "+err.Error(), err) }

// failed adds the operation and the secret to err. It keeps the errors that err
// wraps.
func (r *ring) failed(op string, err error) error {
	return wrap("keyring: "+op+" under "+r.secret.String()+" for "+strconv.Quote(r.purpose), err)
}

// refused reports that a text is not accepted, and why. A fault is returned as
// a fault.
func (r *ring) refused(op string, class, why error) error {
	if why == nil {
		return r.failed(op, class)
	}
	if f, ok := why.(*fault); ok {
		return r.failed(op, f.error)
	}
	return r.failed(op, fail(class.Error()+": "+why.Error(), class, why))
}

// fault is an error that does not judge the text.
type fault struct{ error }

// unmade returns the error of a Signer or Sealer that no constructor made.
func unmade(what string) error {
	return wrap("keyring", because(secret.ErrInvalid, "a "+what+" that New"+what+" did not make"))
}
