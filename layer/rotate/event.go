package rotate

// Event reports the progress of a run, for programs that show it.
type Event struct {
	// Stage is the run's next step.
	Stage Stage
	// Secrets is the number of secrets that it concerns; 0 if it concerns all or
	// none.
	Secrets int
	// Actions are those that the run goes on to carry out. They are in the event of
	// [StageRecord].
	Actions []Action
}

// Stage is a stage of a run.
type Stage string

// The stages of a run, in the order of a run without faults.
const (
	StageLoad    Stage = "load"    // load the ledger
	StageInspect Stage = "inspect" // ask the target for its state
	StageCheck   Stage = "check"   // ask the target whether values can be created
	StageRecord  Stage = "record"  // record the decisions in the ledger
	StageMake    Stage = "make"    // have a generator make a value
	StagePublish Stage = "publish" // publish to the target
	StageWait    Stage = "wait"    // wait until readers can read it
	StageClean   Stage = "clean"   // end what no version uses any more
)
