package rotate

// Event reports the progress of a run, for programs that show it.
type Event struct {
	// Stage is the run's next step.
	Stage Stage
	// Secrets is the number of secrets that the step concerns; 0 if it concerns all
	// or none.
	Secrets int
	// Done is how many of Secrets are done. It is more than 0 in later events of a
	// step: in [StageInspect] and [StagePublish] if the target reports its progress,
	// and in [StageMake].
	Done int
	// Actions are the actions that the run is about to record and carry out. They
	// are set only in the event of [StageRecord].
	Actions []Action
	// Warnings are the parts that generators cannot do, of the changes that the run
	// is about to record: see [Result].Warnings. They are set only in an event of
	// [StageAsk].
	Warnings []*Problem
}

// Stage is a stage of a run.
type Stage string

// The stages of a run, in the order of a run without faults.
const (
	StageLoad    Stage = "load"    // load the ledger
	StageInspect Stage = "inspect" // inspect the values in the target
	StageCheck   Stage = "check"   // ask the target whether values can be created
	StageAsk     Stage = "ask"     // ask a generator whether it can end a value
	StageRecord  Stage = "record"  // record the decisions in the ledger
	StageMake    Stage = "make"    // ask a generator for a value
	StageTest    Stage = "test"    // test whether a generator's value works
	StagePublish Stage = "publish" // publish to the target
	StageWait    Stage = "wait"    // wait until readers can read the text
	StageClean   Stage = "clean"   // delete the credentials that a generator made and that no version uses
)
