package rotate

import "github.com/layeron-hq/secret"

// Action is one thing that a run does or would do to a secret.
type Action struct {
	Address secret.Address `json:"address"`
	Action  Op             `json:"action"`
	// Version is the id that it is about; empty where it is about the whole document.
	Version string `json:"version,omitempty"`
	// By is the operator whose recorded change the run finishes, if it is another
	// run's. It may be empty.
	By string `json:"by,omitempty"`
}

// Op is the kind of an [Action] or a [LogEntry].
type Op string

// The actions on a secret.
const (
	OpCreate   Op = "create"   // the first value
	OpSet      Op = "set"      // a value from outside, in force at once
	OpAdd      Op = "add"      // a new version announced: the first phase of a rotation
	OpFlip     Op = "flip"     // the announced version comes into use: the second phase
	OpPrune    Op = "prune"    // an expired version leaves
	OpExtend   Op = "extend"   // a version lives longer, since the declaration retains longer
	OpRepair   Op = "repair"   // lives begin anew after a stray request
	OpRefresh  Op = "refresh"  // lives begin anew, since what was sent was not confirmed in time
	OpPublish  Op = "publish"  // the same bytes again
	OpConfirm  Op = "confirm"  // the store was found to hold what an earlier run sent
	OpAdopt    Op = "adopt"    // published over what was found there, on a person's word
	OpWithdraw Op = "withdraw" // an announced version is taken back
	OpRevoke   Op = "revoke"   // a version is gone everywhere
	OpRename   Op = "rename"   // the versions under a new address or name
	OpRemove   Op = "remove"   // gone from ledger and store
	OpTarget   Op = "target"   // published to another target
	OpKeep     Op = "keep"     // in the ledger only: somebody's value stands in the store
)

// Entries of a ledger's log that are no action on a secret.
const (
	OpMove   Op = "move"   // the ledger has moved to another place
	OpResume Op = "resume" // and has not, after all
)
