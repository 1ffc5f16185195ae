package rotate

import "github.com/layeron-hq/secret"

// Action is one change that a run makes, or would make, to a secret.
type Action struct {
	Address secret.Address `json:"address"`
	Action  Op             `json:"action"`
	// Version is the id of the changed version; empty if the action concerns the
	// whole document.
	Version string `json:"version,omitempty"`
	// By is the operator whose change the run finishes, if another run recorded the
	// change. It may be empty.
	By string `json:"by,omitempty"`
}

// Op is the kind of an [Action] or a [LogEntry].
type Op string

// The actions on a secret.
const (
	OpCreate   Op = "create"   // the first value
	OpSet      Op = "set"      // a value from outside becomes current
	OpAdd      Op = "add"      // announce a new version: the first phase of a rotation
	OpFlip     Op = "flip"     // the announced version becomes current: the second phase
	OpPrune    Op = "prune"    // an expired version leaves the document
	OpExtend   Op = "extend"   // a version lives longer, because the declaration retains longer
	OpRepair   Op = "repair"   // lives begin anew after a late request
	OpRefresh  Op = "refresh"  // lives begin anew, because a text was not confirmed in time
	OpPublish  Op = "publish"  // the same bytes are sent again
	OpConfirm  Op = "confirm"  // the target holds a text that an earlier run sent
	OpAdopt    Op = "adopt"    // overwrite the value in the target, by the operator's order
	OpWithdraw Op = "withdraw" // an announced version is taken back
	OpRevoke   Op = "revoke"   // a version ends immediately
	OpRename   Op = "rename"   // the versions move to a new address or name
	OpRemove   Op = "remove"   // the secret leaves ledger and target
	OpTarget   Op = "target"   // publish to another target
	OpBare     Op = "bare"     // the text becomes the bare value, as declared now
	OpDocument Op = "document" // the text becomes a document of the declared format
	OpKeep     Op = "keep"     // in the ledger only: the target holds another writer's value
)

// Entries of a ledger's log that are no action on a secret.
const (
	OpMove   Op = "move"   // the ledger moves to another place
	OpResume Op = "resume" // the ledger at the old place is in use again
)
