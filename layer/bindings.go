package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/layer/internal/cloudflareapi"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/layer/target/cloudflare"
)

type bindingJSON struct {
	Binding    string `json:"binding"`
	StoreID    string `json:"store_id"`
	SecretName string `json:"secret_name"`
}

func (l *layer) bindingsCommand() *cobra.Command {
	format := "json"
	c := &cobra.Command{Use: "bindings", Short: "Print the secrets_store_secrets block for wrangler's config",
		Args: noArgs,
		Long: `Print the secrets_store_secrets block for wrangler's config. The block binds a Worker to the
published values. wrangler does not inherit it to env.NAME: repeat it there. The store's id comes
from --store, else from a request to the account. --format toml is for wrangler.toml, and jsonc for
wrangler.jsonc, with the address of each secret as a comment. wrangler refuses a binding without a
value, so the block leaves out an optional secret that has none in the ledger.`,
		Example: `  layer secret bindings --store 0123456789abcdef0123456789abcdef
  layer secret bindings --format toml >> wrangler.toml`,
		RunE: func(c *cobra.Command, _ []string) error {
			if !slices.Contains(bindingFormats, format) {
				return usagef("--format is one of %s", strings.Join(bindingFormats, ", "))
			}
			if l.json && format != "json" {
				return usagef("give only one of --json and --format %s", format)
			}
			set, known, err := l.settings(c)
			if err != nil {
				return err
			}
			spec, err := l.readSpec(c.Context(), set)
			if err != nil {
				return err
			}
			id := l.store
			if id != "" && !cloudflareapi.IDForm().MatchString(id) {
				return usagef("--store takes the id of a store: `wrangler secrets-store store list` shows it")
			}
			if id == "" {
				store, err := cloudflare.NewStore(l.cloudflare())
				if err != nil {
					return usagef("the store's id is missing: give it with --store, or set CLOUDFLARE_ACCOUNT_ID and " +
						"CLOUDFLARE_API_TOKEN to request it")
				}
				l.progressText("asking for the store's id")
				if id, err = store.ID(c.Context()); err != nil {
					return err
				}
			}
			spec.Secrets = l.withoutUnset(spec.Secrets, known)
			list := []bindingJSON{}
			for _, s := range spec.Secrets {
				if err := checkVariable(s, "a Worker's binding", "declare another one, or none"); err != nil {
					return err
				}
				list = append(list, bindingJSON{s.Binding, id, s.SecretName})
			}
			if l.json {
				l.printJSON(struct {
					OK      bool          `json:"ok"`
					Secrets []bindingJSON `json:"secrets_store_secrets"`
				}{true, list})
				return nil
			}
			switch format {
			case "toml":
				l.printTOML(spec, list)
			case "jsonc":
				l.printJSONC(spec, list)
			default:
				l.printJSON(struct {
					Secrets []bindingJSON `json:"secrets_store_secrets"`
				}{list})
			}
			return nil
		}}
	c.Flags().StringVar(&format, "format", format, "the `FORMAT` of the output: json, jsonc or toml")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(bindingFormats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// withoutUnset leaves out the optional secrets without a value: wrangler deploys
// no Worker with such a binding. `layer secret apply` creates no value for them.
// If the ledger is not known, it leaves none out. A secret with a declared name
// in the store may have a value there that is not in the ledger.
func (l *layer) withoutUnset(all []secret.SpecSecret, known *rotate.State) (list []secret.SpecSecret) {
	for _, s := range all {
		if s.Optional && s.Kind != secret.KindRandom && s.Generator == "" && strings.HasPrefix(s.SecretName, "lo_") {
			if known == nil {
				l.say("%s is optional: remove its binding while it has no value", s.Address)
			} else if _, err := known.Value(s.Address); errors.Is(err, rotate.ErrNotFound) {
				l.say("%s is left out: it is optional and has no value", s.Address)
				continue
			}
		}
		list = append(list, s)
	}
	return list
}

var bindingFormats = []string{"json", "jsonc", "toml"}

// printTOML prints an array of tables. The names consist of letters, digits and
// a few signs that no string of TOML escapes.
func (l *layer) printTOML(spec secret.Spec, list []bindingJSON) {
	for i, b := range list {
		if i > 0 {
			fmt.Fprintln(l.out)
		}
		fmt.Fprintf(l.out, "# %s\n[[secrets_store_secrets]]\nbinding = %q\nstore_id = %q\nsecret_name = %q\n",
			spec.Secrets[i].Address, b.Binding, b.StoreID, b.SecretName)
	}
}

func (l *layer) printJSONC(spec secret.Spec, list []bindingJSON) {
	fmt.Fprintln(l.out, "{\n  \"secrets_store_secrets\": [")
	for i, b := range list {
		comma := ","
		if i == len(list)-1 {
			comma = ""
		}
		fmt.Fprintf(l.out, "    // %s\n    { \"binding\": %q, \"store_id\": %q, \"secret_name\": %q }%s\n",
			spec.Secrets[i].Address, b.Binding, b.StoreID, b.SecretName, comma)
	}
	fmt.Fprintln(l.out, "  ]\n}")
}
