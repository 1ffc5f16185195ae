package main

import (
	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/internal/lazyregexp"
	"github.com/layeron-hq/secret/layer/target/cloudflare"
)

var storeID = lazyregexp.New(`^[0-9a-f]{32}$`)

type bindingJSON struct {
	Binding    string `json:"binding"`
	StoreID    string `json:"store_id"`
	SecretName string `json:"secret_name"`
}

func (l *layer) bindingsCommand() *cobra.Command {
	return &cobra.Command{Use: "bindings", Short: "Print the secrets_store_secrets block for wrangler's config",
		Args: noArgs,
		Long: `Print the secrets_store_secrets block for wrangler's config. The block binds a Worker to the
published values. wrangler does not inherit it to env.NAME: repeat it there. The store's id comes
from --store, else from a request to the account.`,
		Example: `  layer secret bindings --store 0123456789abcdef0123456789abcdef
  layer secret bindings > bindings.json`,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := l.settings(c)
			if err != nil {
				return err
			}
			spec, err := l.readSpec(c.Context(), set)
			if err != nil {
				return err
			}
			id := l.store
			if id != "" && !storeID().MatchString(id) {
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
			list := []bindingJSON{}
			for _, s := range spec.Secrets {
				list = append(list, bindingJSON{s.Binding, id, s.SecretName})
			}
			if l.json {
				l.printJSON(struct {
					OK      bool          `json:"ok"`
					Secrets []bindingJSON `json:"secrets_store_secrets"`
				}{true, list})
				return nil
			}
			l.printJSON(struct {
				Secrets []bindingJSON `json:"secrets_store_secrets"`
			}{list})
			return nil
		}}
}
