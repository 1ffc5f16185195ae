package secret

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	"github.com/layeron-hq/secret/internal/sha256"
)

// Spec is the set of declarations of an App: `layer secret` takes from it which
// secrets to create, rotate and publish. It holds no value, is safe to commit,
// and gives the same JSON for the same declarations; testdata/spec.schema.json
// describes that JSON.
type Spec struct {
	Workspace   string `json:"workspace,omitempty"`
	Project     string `json:"project,omitempty"`
	Environment string `json:"environment,omitempty"`
	// Secrets are sorted by address.
	Secrets []SpecSecret `json:"secrets"`
	Graph   Graph        `json:"graph"`
}

// SpecSecret is one declaration.
type SpecSecret struct {
	Address   Address `json:"address"`
	Kind      Kind    `json:"kind"`
	Namespace string  `json:"namespace"`
	Name      string  `json:"name"`
	Binding   string  `json:"binding"`
	// SecretName is the name in a secrets store: the declared one, or lo_ and 24
	// hex digits derived from workspace, project, environment, namespace and name.
	SecretName string `json:"secretName"`
	// Bytes is the length of the key. Zero: the value is not a key.
	Bytes     int               `json:"bytes,omitempty"`
	Encoding  Encoding          `json:"encoding,omitzero"`
	Format    Format            `json:"format,omitzero"`
	Rotation  *Rotation         `json:"rotation,omitempty"`
	Generator string            `json:"generator,omitempty"`
	Params    map[string]string `json:"params,omitempty"`
	// Optional reports that programs work without the value: `layer secret` does not
	// require the operator to supply it.
	Optional bool `json:"optional,omitempty"`
}

// Spec returns the secrets given to Use, sorted by address; it does not read a
// store. A faulty declaration is included unchanged: Start reports it, and
// [ParseSpec] refuses it.
func (a *App) Spec() Spec {
	secrets := a.used()
	s := Spec{Secrets: []SpecSecret{}}
	if a.made() {
		s.Workspace, s.Project, s.Environment = a.options.Workspace, a.options.Project, a.options.Environment
	}
	for _, sec := range secrets {
		if sec.decl.addr != (Address{}) {
			s.Secrets = append(s.Secrets, sec.decl.spec(&s))
		}
	}
	s.finish()
	return s
}

func (d *declaration) spec(s *Spec) SpecSecret {
	one := SpecSecret{Address: d.addr, Kind: d.kind, Namespace: d.addr.Namespace, Name: d.addr.Name, Binding: d.binding,
		SecretName: d.SecretName, Bytes: d.Bytes, Encoding: d.Encoding, Format: d.Format, Generator: d.Generator,
		Optional: d.Optional}
	if one.SecretName == "" {
		one.SecretName = s.secretName(d.addr)
	}
	if len(d.Params) > 0 {
		one.Params = maps.Clone(d.Params)
	}
	if r := d.Rotation; r != nil {
		one.Rotation = &Rotation{EveryDays: r.EveryDays, StartAt: utc(r.StartAt), Retain: r.Retain}
	}
	return one
}

// secretName derives the name of a value in a secrets store that several
// projects share. Each part is preceded by its length, so that no two lists of
// parts give the same name.
func (s *Spec) secretName(addr Address) string {
	var b []byte
	for _, part := range []string{s.Workspace, s.Project, s.Environment, addr.Namespace, addr.Name} {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(append(b, ':'), part...)
	}
	sum := sha256.Sum(b)
	return "lo_" + hex.EncodeToString(sum[:12])
}

// finish sorts the secrets and builds the graph.
func (s *Spec) finish() {
	slices.SortStableFunc(s.Secrets, func(x, y SpecSecret) int { return compareAddress(x.Address, y.Address) })
	s.Graph = graphOf(s.Secrets)
}
