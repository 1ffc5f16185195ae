package main

import (
	"errors"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// agePlugin is age-plugin-layertest, a program that has keys like a hardware key: with
// the PIN in its identity it asks for the PIN.
func agePlugin() {
	for _, name := range []string{"LAYER_IDENTITY", "CLOUDFLARE_API_TOKEN", "AWS_SECRET_ACCESS_KEY"} {
		if os.Getenv(name) != "" {
			fail("the plugin gets " + name)
		}
	}
	p, err := plugin.New(pluginName)
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) {
		r, err := age.ParseX25519Recipient(string(data))
		return renamed{r: r}, err
	})
	p.HandleIdentity(func(data []byte) (age.Identity, error) {
		key, pin, _ := strings.Cut(string(data), " ")
		id, err := age.ParseX25519Identity(key)
		return renamed{id: id, ask: func() error {
			if pin == "" {
				return nil
			}
			if err := p.DisplayMessage("touch the key"); err != nil {
				return err
			}
			if given, err := p.RequestValue("PIN", true); err != nil || given != pin {
				return errors.New("the PIN is wrong or missing")
			}
			return nil
		}}, err
	})
	os.Exit(p.Main())
}

func fail(why string) {
	_, _ = os.Stderr.WriteString(why + "\n")
	os.Exit(1)
}

const pluginName = "layertest"

// pluginKeys returns an identity file of the plugin, and the public key.
func pluginKeys(pin string) (file, to string) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err)
	}
	to = plugin.EncodeRecipient(pluginName, []byte(id.Recipient().String()))
	private := plugin.EncodeIdentity(pluginName, []byte(strings.TrimSpace(id.String()+" "+pin)))
	return "#    Recipient: " + to + "\n" + private + "\n", to
}

// renamed is a key of age under the name of the plugin.
type renamed struct {
	r   *age.X25519Recipient
	id  *age.X25519Identity
	ask func() error
}

func (k renamed) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	list, err := k.r.Wrap(fileKey)
	for _, s := range list {
		s.Type = pluginName
	}
	return list, err
}

func (k renamed) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	var mine []*age.Stanza
	for _, s := range stanzas {
		if s.Type == pluginName {
			mine = append(mine, &age.Stanza{Type: "X25519", Args: s.Args, Body: s.Body})
		}
	}
	if len(mine) == 0 {
		return nil, age.ErrIncorrectIdentity
	}
	if err := k.ask(); err != nil {
		return nil, err
	}
	return k.id.Unwrap(mine)
}
