package driver

// Recognizer is a [Publisher] that writes text and note one after the other, so
// that a crash can leave a text without its note. It makes such a text
// recognizable.
type Recognizer interface {
	// ModifiedOf returns the [Published].Modified of a value that holds text.
	ModifiedOf(text Value) string
}
