package rotate

import (
	"fmt"
	"strings"

	"github.com/layeron-hq/secret"
)

// Problem is the reason why a secret, or a whole run, failed or needs an
// operator. It contains no advice on commands: a program that embeds this
// package adds its own, by Kind.
//
// [errors.Is] with a [Kind] finds a Problem with that kind in an error, and
// [errors.As] finds the Problem itself. A Problem shows no value.
type Problem struct {
	Kind Kind
	// Address is the secret concerned; zero if the problem concerns the whole run.
	Address secret.Address
	// Other is a second secret concerned, if any.
	Other secret.Address
	// Version is the id of the version concerned, if any.
	Version string
	// Err is the reason.
	Err error
}

// Kind is a kind of [Problem]. A kind with a slash is a special case of the
// kind before the slash: [errors.Is] finds such a Problem with either. Kind
// implements error so that errors.Is accepts it.
type Kind string

// The kinds of problems, and, for some, special cases.
const (
	// NeedsValue: only an operator can supply the value.
	NeedsValue Kind = "external_value_required"

	// Bound: the target holds a value that the ledger did not publish, and a
	// declared rotation cannot begin.
	Bound Kind = "bound"

	// FormerName: the value in the target is one of the secret Other, which had that
	// name before it was renamed.
	FormerName Kind = "bound/former name"

	// Drifted: the value in the target was changed by something else.
	Drifted Kind = "drifted"
	// ValueKept: the ledger keeps a value that it did not publish, because the
	// target holds a value of another writer.
	ValueKept Kind = "drifted/kept"
	// ValueUnknown: the ledger holds no value of the secret, so there is nothing to
	// publish over the value in the target.
	ValueUnknown Kind = "drifted/unknown"

	// Ahead: the target holds a later generation than the ledger.
	Ahead Kind = "ahead"

	// NotEnded: the value of a version that the document gives up works until it is
	// ended at its provider.
	NotEnded Kind = "not ended"
	// EndUnknown: the same, if its generator cannot end it, which is not known.
	EndUnknown Kind = "not ended/unknown"
	// Untested: a rollback publishes a value again that its generator cannot test.
	Untested Kind = "untested"

	// Unsettled: the target has not confirmed the ledger's text.
	Unsettled Kind = "unsettled"

	// Stopped: the run ended before it changed anything.
	Stopped Kind = "stopped"
	// WrongPlace: the target is gone, or on another device than at the last
	// confirmation.
	WrongPlace Kind = "stopped/place"
	// WrongTarget: the ledger published none of the values in the target.
	WrongTarget Kind = "stopped/target"

	// Refused: the request cannot be carried out as it is.
	Refused Kind = "refused"
	// NoValue: the ledger holds no value of the secret.
	NoValue Kind = "refused/value"
	// NoVersion: the secret has no version with that id.
	NoVersion Kind = "refused/version"
	// NoPrevious: there is no earlier version to return to.
	NoPrevious Kind = "refused/previous"
	// CurrentVersion: the version is current and has no successor.
	CurrentVersion Kind = "refused/current"
	// AlreadyAnnounced: another version is announced.
	AlreadyAnnounced Kind = "refused/announced"
	// PlainValue: the declaration pins the plain format, which cannot hold an
	// announced version.
	PlainValue Kind = "refused/plain"
	// LosesIDs: the declaration asks for the bare value, and versions in the
	// published document would stop resolving.
	LosesIDs Kind = "refused/ids"
	// NewName: the declaration gives the value another name in the target.
	NewName Kind = "refused/name"
	// NameTaken: another secret of the ledger, Other, has that name in the target.
	NameTaken Kind = "refused/taken"
	// Foreign: the ledger did not publish the value in the target.
	Foreign Kind = "refused/foreign"
	// NotMade: a run was ordered to make a version, and has only finished one that
	// another run had recorded before.
	NotMade Kind = "refused/not made"
	// InUse: as many values are in use as the generator has at a time.
	InUse Kind = "refused/in use"
	// Waiting: a rotation that is due begins when an older value has ended. It needs
	// no operator.
	Waiting Kind = "refused/in use/waiting"
	// Undeclared: no declaration names the secret.
	Undeclared Kind = "refused/undeclared"
	// NoLedger: there is no ledger. It wraps [ErrNotFound].
	NoLedger Kind = "refused/ledger"
	// WrongLedger: this machine has seen a later state of the ledger, or another
	// ledger in this place.
	WrongLedger Kind = "refused/wrong ledger"
	// Untrusted: this machine neither remembers the ledger nor was given its id, or
	// was given another id.
	Untrusted Kind = "refused/untrusted ledger"
	// Moved: the ledger has moved to another place.
	Moved Kind = "refused/moved"
	// HalfMoved: a move of the ledger ended halfway.
	HalfMoved Kind = "refused/half moved"
	// Copies: two places hold copies of one ledger.
	Copies Kind = "refused/copies"
)

// Error returns the kind's meaning.
func (k Kind) Error() string {
	switch general, _, _ := strings.Cut(string(k), "/"); Kind(general) {
	case Ahead:
		return "the target is ahead of the ledger"
	case Unsettled:
		return "unsettled"
	case Stopped:
		return "stopped before anything was changed"
	default:
		return general
	}
}

// Error returns the meaning of the kind and the reason. For a kind of [Refused]
// it returns the reason alone.
func (p *Problem) Error() string {
	switch {
	case p.Err == nil:
		return p.Kind.Error()
	case p.Is(Refused):
		return p.Err.Error()
	}
	return p.Kind.Error() + ": " + p.Err.Error()
}

// Unwrap returns the reason.
func (p *Problem) Unwrap() error { return p.Err }

// Is reports whether target is the kind of the problem, or the kind before its
// slash.
func (p *Problem) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && (p.Kind == k || strings.HasPrefix(string(p.Kind), string(k)+"/"))
}

// problemf returns a problem that concerns the whole run.
func problemf(kind Kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// because returns the problem with another reason.
func (p *Problem) because(format string, args ...any) *Problem {
	other := *p
	other.Err = fmt.Errorf(format, args...)
	return &other
}

// of sets the secret concerned, and returns the problem.
func (p *Problem) of(addr secret.Address) *Problem {
	p.Address = addr
	return p
}
