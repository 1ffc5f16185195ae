package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/ledger"
	"github.com/layeron-hq/secret/layer/rotate"
)

// `layer secret init` makes a ledger and the key to it. The order of its steps
// matters: .gitignore is written before the key exists, and the key is stored
// before the ledger is encrypted to it. A crash between two steps leaves
// neither a key that git would commit nor a ledger that no key opens.

// minWindow is the shortest window, since the times in a document are whole
// seconds.
const minWindow = time.Second

func (l *layer) initCommand() *cobra.Command {
	var recipients []string
	c := &cobra.Command{Use: "init --to TARGET", Short: "Make an identity and an empty ledger", Args: noArgs,
		Long: `Make an identity (the key to the ledger) and an empty ledger. The identity goes into .gitignore.
The ledger is encrypted; commit it to git. Without the identity the ledger cannot be opened: keep
a copy of the identity in a safe place.

init makes these files, beside the ledger or, for a remote ledger, in the current folder:
  layer.secrets.age       the ledger: every version, encrypted. Commit it
  layer.identity          the key to the ledger, readable by its owner only. Never commit it
  layer.seen              the ledgers that this machine saw last, to detect an older copy.
                          Not committed; contains no secret
  layer.secrets.age.lock  prevents two runs at once; it stays (layer.seen.lock for a remote
                          ledger). Not committed
  .gitignore              gets the names that are not committed; a folder of values gets its own
  .gitattributes          gets the ledger's name, so that git never merges it or changes its lines
  .layer-NAME.….tmp       a file that is being written; after a crash the next run removes it

TARGET is where values are published: dir:PATH, a folder with a file for each secret, dir:~/PATH in
the home folder; cloudflare, the account's Secrets Store; kubernetes:NAMESPACE/NAME, a Secret; or
etcd://HOST:PORT,HOST:PORT. A team keeps its ledger in a bucket or in Postgres: give the place with
--ledger.`,
		Example: `  layer secret init --to dir:./secrets --window 5s --margin 5s
  layer secret init --to cloudflare --workspace acme --project shop --environment production
  layer secret init --to cloudflare --ledger 's3://acme-ledgers/shop?endpoint=https://ACCOUNT.r2.cloudflarestorage.com'`,
		Annotations: map[string]string{noSearch: "it makes a ledger here"},
		RunE: func(c *cobra.Command, _ []string) error {
			l.sayLedgerAbove(c)
			return l.init(c.Context(), recipients)
		}}
	l.nameFlags(c)
	c.Flags().StringArrayVar(&recipients, "recipient", nil, "the public `KEY` (age1… or ssh-…) of a colleague who may "+
		"open the ledger too; repeat for more")
	return c
}

// nameFlags adds the flags from which the names in a store are derived.
func (l *layer) nameFlags(c *cobra.Command) {
	c.Flags().StringVar(&l.workspace, "workspace", "", "the workspace's `NAME`, a part of the names in the target")
	c.Flags().StringVar(&l.project, "project", "", "the project's `NAME`, a part of the names in the target")
	c.Flags().StringVar(&l.environment, "environment", "", "the environment's `NAME`, a part of the names in the target")
}

func (l *layer) init(ctx context.Context, texts []string) error {
	recipients, err := parseRecipients("--recipient", texts)
	if err != nil {
		return err
	}
	if l.ledgerID != "" {
		return usagef("--ledger-id and LAYER_LEDGER_ID name an existing ledger, and init makes a new one: leave them out")
	}
	if l.to == "" {
		return usagef("--to is missing: name the target where values are published, %s", targets)
	}
	if err := l.checkFlags(); err != nil {
		return err
	}
	if err := l.checkIdentity(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	folder := filepath.Dir(l.identity)
	if _, err := os.Stat(l.path(folder)); err != nil && l.identity != "" {
		return fmt.Errorf("the folder %s cannot be used: %w: make it, or name another with --identity",
			l.fileName(folder, "of the identity"), cause(err))
	}
	p, err := l.parsePlace(l.ledger)
	if err != nil {
		return err
	}
	if err := l.refuseTracked(ctx, p); err != nil {
		return err
	}
	if p.kind == inFile {
		err = l.freeFile(ctx, p)
	} else {
		err = l.freePlace(ctx, p)
	}
	if err != nil {
		return err
	}
	if _, err := l.identities(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	target, err := l.targetToKeep(p, l.to)
	if err != nil {
		return err
	}
	// .gitignore comes first: a crash after it leaves no file that could be
	// committed by mistake.
	added, err := l.prepareGit(ctx, p, l.to)
	if err != nil {
		return err
	}
	set := rotate.Settings{Workspace: l.workspace, Project: l.project, Environment: l.environment, Target: target,
		Window: l.window, Margin: l.margin}
	first := rotate.NewState(set).WithLog(rotate.LogEntry{At: time.Now(), By: operatorName(), Op: "init"})
	ids, made, err := l.initIdentity(p, first.ID())
	if err != nil {
		return err
	}
	set.Recipients = ids.Recipients()
	if set, _, err = withRecipients(set, recipients, nil); err != nil {
		return err
	}
	if len(set.Recipients) == 0 {
		return errors.New("the identity file does not name the public key of its age plugin: give the key with --recipient")
	}
	to := set.Recipients
	ledger, err := l.open(ctx, p, ids, opening{})
	if err != nil {
		return err
	}
	if _, _, err := rotate.Commit(ctx, ledger, "", first.WithSettings(set)); err != nil {
		return err
	}
	if l.json {
		l.printJSON(struct {
			OK         bool     `json:"ok"`
			Ledger     string   `json:"ledger"`
			ID         string   `json:"id"`
			Identity   *string  `json:"identity"`
			Recipients []string `json:"recipients"`
		}{true, l.ledger, first.ID(), orNull(made), to})
		return nil
	}
	next := ""
	if p.kind == inFile {
		next = ": commit it, and .gitignore and .gitattributes with it"
	}
	l.out.line("made the ledger %s%s", l.ledger, next)
	if made != "" {
		l.out.line("made the identity %s: keep a copy in a safe place, and never commit it", made)
	}
	if ids, err := l.identities(p); err != nil || !slices.Contains(ids.Ledgers(), first.ID()) {
		l.out.line("the ledger's id is %s: give it to machines that have not seen the ledger, in LAYER_LEDGER_ID", first.ID())
	}
	l.printAdded(added)
	fmt.Fprintln(l.out, "next: `layer secret apply` creates the values that the program declares")
	return nil
}

// freeFile returns an error if the ledger file exists, if this machine remembers
// one in its place, or if its folder does not exist.
func (l *layer) freeFile(ctx context.Context, p place) error {
	path := p.text
	if _, err := os.Lstat(l.path(path)); err == nil && l.missing(path) {
		return fmt.Errorf("ledger %s: it is a link that leads nowhere: restore the file that it leads to, or remove "+
			"the link", path)
	} else if err == nil {
		return fmt.Errorf("the ledger %s exists already and was not changed: name another file with --ledger", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the ledger %s cannot be used: %w: name another file with --ledger",
			l.fileName(path, "in the file that was named"), cause(err))
	}
	if _, err := os.Stat(l.path(filepath.Dir(path))); err != nil {
		folder := filepath.Dir(path)
		if l.fileName(path, "") == "" {
			folder = "of the ledger"
		}
		return fmt.Errorf("the folder %s cannot be used: %w: make it, or name another with --ledger", folder, cause(err))
	}
	opened, err := l.open(ctx, p, ledger.Identities{}, opening{peek: true, any: true})
	if err != nil {
		return err
	}
	return ledger.CheckNew(opened)
}

// missing reports whether a file, or the file that a link leads to, does not
// exist.
func (p process) missing(name string) bool {
	_, err := os.Stat(p.path(name))
	return errors.Is(err, fs.ErrNotExist)
}

// freePlace returns an error if a remote place already contains a ledger, even
// one that these keys cannot open, or if this machine remembers one there. Of
// two processes that make a ledger at once, the second fails when it writes.
func (l *layer) freePlace(ctx context.Context, p place) error {
	ids, err := l.identities(p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// The load is not remembered in layer.seen.
	opened, err := l.open(ctx, p, ids, opening{adopt: true, peek: true, any: true})
	if err != nil {
		return err
	}
	_, _, err = opened.Load(ctx)
	if errors.Is(err, rotate.ErrNotFound) {
		return ledger.CheckNew(opened)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the ledger %s exists already and was not changed: name another place with --ledger", p.text)
}

// initIdentity returns the keys to the new ledger with the given id, and the
// name of the file that it made for them, or "". An identity file that layer
// made contains the id afterwards.
func (l *layer) initIdentity(p place, ledgerID string) (ids ledger.Identities, made string, err error) {
	ids, err = l.identities(p)
	if err == nil {
		return ids, "", l.nameLedger(p, ledgerID)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return ids, "", err
	}
	key, _, err := ledger.NewIdentity()
	if err != nil {
		return ids, "", err
	}
	made = l.identityPath(p)
	if err := ledger.WriteIdentity(l.path(made), key, ledgerID); err != nil {
		if l.fileName(made, "") == "" {
			err = fmt.Errorf("the file that --identity names cannot be written: %w", cause(err))
		}
		return ids, "", err
	}
	ids, err = ledger.ReadIdentities(l.path(made))
	return ids, made, err
}
