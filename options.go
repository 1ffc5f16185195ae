package secret

import "strings"

// Options is a declaration. Only Name is required.
type Options struct {
	// Namespace groups secrets, by product or by team. Empty: "default". Lower-case
	// letters and digits; also - and _, but not as the first or last character; at
	// most 63 characters.
	Namespace string
	// Name is required. Its characters and length follow the rule of Namespace.
	Name string
	// Bytes is the length of the key, 16 to 1024. Zero: 32 on Random; on Generated
	// the value is not a key but a text. On Static it must be 0.
	Bytes int
	// Encoding is how the text holds a key. Zero, EncodingAuto: hex or base64.
	Encoding Encoding
	// Format pins the format of the stored text. Zero, FormatAuto: the text
	// decides. `layer secret` then publishes a static secret without a Rotation as
	// its bare value, and every other secret as a document of versions.
	Format Format
	// Optional declares that the program works without a value: the key of a
	// feature that may be off. If the store has none, an App starts, reads return
	// [ErrNotFound] from memory until the operator sets one, and `layer secret` does
	// not require one. An empty or malformed text is an error as on any other secret.
	// If the value is removed later, reads return the last one until the program
	// starts again, or until AppOptions.MaxStale has passed. False: required.
	Optional bool
	// Rotation is the policy for renewal. Nil: never. Refused with FormatPlain.
	Rotation *Rotation
	// Generator names the step that makes the value of a Generated secret, such as
	// "cloudflare/r2-credentials". Empty: the value comes from elsewhere. Refused
	// on the other kinds.
	Generator string
	// Params are the generator's own settings. They are not secret: the spec
	// contains them. Refused without a Generator.
	Params map[string]string
	// SecretName is the name of a value that is already in an account's secrets
	// store, such as Cloudflare's Secrets Store; a folder and etcd use the binding:
	// letters, digits, - and _. Empty: a name derived from address, workspace,
	// project and environment.
	SecretName string
	// Binding is the name under which programs find the value, where the name exists
	// already: DATABASE_URL, or the file db_password or tls.crt in a mounted folder.
	// It begins with a letter, a digit or _, and has at most 128 of these, - and ".".
	// Where it names an environment variable or a Worker's binding, it must have
	// letters, digits and _ only, and no digit first. Refused are names that begin
	// with "layer." or end in ".note", which are files of `layer`. Empty: the name
	// derived from the address, see [Address.Binding].
	Binding string
	// Store is the store for reads. Nil: the App's store, else the environment.
	Store Store
}

// Kind is the source of a secret's value.
type Kind uint8

const (
	KindStatic    Kind = iota // an operator
	KindRandom                // random bytes made by `layer secret`
	KindGenerated             // the step named by Options.Generator
)

// String returns static, random or generated.
func (k Kind) String() string { return constantName(k, kindNames) }

// MarshalText returns the name. For a constant that this package does not
// define it returns [ErrInvalid].
func (k Kind) MarshalText() ([]byte, error) { return constantText(k, kindNames) }

// UnmarshalText parses a name; any other text is [ErrInvalid].
func (k *Kind) UnmarshalText(text []byte) error { return readConstant(k, text, kindNames) }

var kindNames = []string{"static", "random", "generated"}

// constantName returns the name of a constant: names are in the constants'
// order.
func constantName[T ~uint8](value T, names []string) string {
	if int(value) < len(names) {
		return names[value]
	}
	return "unknown"
}

func constantText[T ~uint8](value T, names []string) ([]byte, error) {
	if int(value) >= len(names) {
		return nil, because(ErrInvalid, "allowed is "+strings.Join(names, ", "))
	}
	return []byte(names[value]), nil
}

func readConstant[T ~uint8](value *T, text []byte, names []string) error {
	for i, name := range names {
		if name == string(text) {
			*value = T(i)
			return nil
		}
	}
	return because(ErrInvalid, "allowed is "+strings.Join(names, ", "))
}
