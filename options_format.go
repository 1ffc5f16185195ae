package secret

// Format is the way in which a stored text holds its versions.
type Format uint8

const (
	// FormatAuto, the zero value: the text decides. As an argument of
	// [Document.Encode]: the format that the document is stored in.
	FormatAuto Format = iota
	// FormatPlain: the whole text is one value, version v1. It fits a text that a
	// person types, such as a password: with FormatAuto a reader of v1=hunter2 gets
	// hunter2.
	FormatPlain
	// FormatJSON: {"current": "v3", "versions": {"v3": {"value": "…", "activeFrom":
	// "…", "expiresAt": "…"}}}.
	FormatJSON
	// FormatCompact: current=v3;v3=…;v3_active=…;v3_expires=….
	FormatCompact
)

// String returns auto, plain, json or compact.
func (f Format) String() string { return constantName(f, formatNames) }

// MarshalText returns the name. For a constant that this package does not
// define it returns [ErrInvalid].
func (f Format) MarshalText() ([]byte, error) { return constantText(f, formatNames) }

// UnmarshalText parses a name; any other text is [ErrInvalid].
func (f *Format) UnmarshalText(text []byte) error { return readConstant(f, text, formatNames) }

var formatNames = []string{"auto", "plain", "json", "compact"}

// Encoding is how a text holds a key.
type Encoding uint8

const (
	// EncodingAuto, the zero value: hex or base64, distinguished by the length.
	EncodingAuto Encoding = iota
	// EncodingRaw: the text's own bytes are the key.
	EncodingRaw
)

// String returns auto or raw.
func (e Encoding) String() string { return constantName(e, encodingNames) }

// MarshalText returns the name. For a constant that this package does not
// define it returns [ErrInvalid].
func (e Encoding) MarshalText() ([]byte, error) { return constantText(e, encodingNames) }

// UnmarshalText parses a name; any other text is [ErrInvalid].
func (e *Encoding) UnmarshalText(text []byte) error { return readConstant(e, text, encodingNames) }

var encodingNames = []string{"auto", "raw"}
