package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age/plugin"

	"github.com/layeron-hq/secret/driver"
	"github.com/layeron-hq/secret/layer/ledger"
)

// Questions of an identity: its passphrase, and those of an age plugin, such as for
// the PIN of a hardware key. They are asked at the terminal, also if stdin is
// a value or a spec. No variable takes a passphrase: LAYER_IDENTITY can contain the
// key itself.

// prompts returns the functions that ask. A completion asks nothing.
func (l *layer) prompts() ledger.Prompts {
	if l.unattended {
		return ledger.Prompts{}
	}
	p := ledger.Prompts{Plugin: l.pluginUI()}
	if _, _, ok := l.terminalToAsk(); ok {
		p.Passphrase = func(name string, again bool) (driver.Value, error) {
			if again {
				l.say("the passphrase is wrong: try again")
			}
			line, err := l.askPerson("Passphrase of the " + name + " (not shown): ")
			if errors.Is(err, errSeveral) {
				err = fmt.Errorf("the passphrase has several lines, and the prompt takes one. Nothing was changed")
			}
			return driver.NewValue(line), err
		}
	}
	return p
}

// pluginUI answers age plugins. A plugin gets an error where there is no terminal.
func (l *layer) pluginUI() *plugin.ClientUI {
	return &plugin.ClientUI{
		DisplayMessage: func(name, message string) error {
			l.say("age-plugin-%s: %s", name, message)
			return nil
		},
		RequestValue: func(name, prompt string, _ bool) (string, error) {
			return l.askPerson(fmt.Sprintf("age-plugin-%s: %s (not shown): ", name, strings.TrimSuffix(prompt, ":")))
		},
		Confirm: func(name, prompt, yes, no string) (bool, error) {
			choice := fmt.Sprintf("Enter: %s", yes)
			if no != "" {
				choice = fmt.Sprintf("y: %s, n: %s", yes, no)
			}
			answer, err := l.askPerson(fmt.Sprintf("age-plugin-%s: %s [%s] ", name, prompt, choice))
			answer = strings.ToLower(strings.TrimSpace(answer))
			return no == "" || answer == "y" || answer == "yes", err
		},
		WaitTimer: func(name string) { l.progressText("waiting for age-plugin-" + name) },
	}
}

// terminalToAsk returns the terminal of the person, and where to write a question.
func (l *layer) terminalToAsk() (k *keyboard, to io.Writer, ok bool) {
	k, ok = l.typing()
	if ok && l.err.isTerminal() {
		return k, l.err, true
	}
	if l.own == nil {
		if l.tty == nil {
			return nil, nil, false
		}
		f, err := l.tty()
		if err != nil {
			return nil, nil, false
		}
		own, isTerminal := openKeyboard(f)
		if !isTerminal {
			_ = f.Close()
			return nil, nil, false
		}
		l.own = own
		l.atEnd(closer(func() { _, _ = own.set(asBefore); _ = f.Close() }))
	}
	if !ok { // else stdin is the same terminal, and its mode may be changed already
		k = l.own
	}
	return k, l.own.f, true
}

// askPerson asks for one line at the terminal, without showing it.
func (l *layer) askPerson(question string) (string, error) {
	if l.busy {
		// The error does not pass through the plugin.
		l.warnOnce("the age plugin asks a question, and the program has the terminal: run this command again to answer it")
		return "", errors.New("the program has the terminal")
	}
	k, to, ok := l.terminalToAsk()
	if !ok {
		return "", errors.New("there is no terminal to ask at")
	}
	ctx := l.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	return l.askHidden(ctx, k, to, printable(question))
}

// identities returns the keys to the ledger: from --identity, else from
// LAYER_IDENTITY, else from the file beside the ledger. A passphrase is asked for once
// in a command.
func (l *layer) identities(p place) (ledger.Identities, error) {
	name := ""
	if text, _ := l.lookup(ledger.IdentityVariable); l.identity != "" || text == "" {
		name = l.path(l.identityPath(p))
	}
	if ids, ok := l.unlocked[name]; ok {
		return ids, nil
	}
	ids, err := l.readIdentities(p)
	switch {
	case err != nil || !ids.Attended():
		return ids, err
	case l.unattended:
		return ledger.Identities{}, errors.New("the identity needs a person")
	case l.unlocked == nil:
		l.unlocked = map[string]ledger.Identities{}
	}
	l.unlocked[name] = ids
	return ids, nil
}
