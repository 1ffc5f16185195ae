package secret

// Format is the way in which a stored text holds its versions.
type Format uint8

const (
	// FormatAuto, the zero value: the text decides. As an argument of [Document.Encode]: the format that the document is
	// stored in.
	FormatAuto Format = iota
	// FormatPlain: the whole text is one value, version v1.
	FormatPlain
	// FormatJSON: {"current": "v3", "versions": {"v3": {"value": "…", "activeFrom": "…", "expiresAt": "…"}}}.
	FormatJSON
	// FormatCompact: current=v3;v3=…;v3_active=…;v3_expires=….
	FormatCompact
)

// String returns auto, plain, json or compact.
func (f Format) String() string {
	switch f {
	case FormatAuto:
		return "auto"
	case FormatPlain:
		return "plain"
	case FormatJSON:
		return "json"
	case FormatCompact:
		return "compact"
	}
	return "unknown"
}
