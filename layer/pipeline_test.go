package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/internal/slow"
)

// documented returns the CI script from the guide.
func documented(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## Cron and CI\n")
	require.True(t, ok)
	found := block.FindStringSubmatch(section)
	require.NotNil(t, found)
	return found[1]
}

// pipeline is a ledger in git, and a clone in which the documented script runs.
type pipeline struct {
	t                   *testing.T
	base, origin, clone string
	env                 []string
}

const pipelineSpec = `{"secrets": [{"kind": "random", "namespace": "auth", "name": "key", "bytes": 16}%s]}`

// newPipeline makes a repository with a ledger, in which a secret is not yet
// created.
func newPipeline(t *testing.T) *pipeline {
	t.Helper()
	base := t.TempDir()
	p := &pipeline{t: t, base: base, origin: filepath.Join(base, "origin.git"), clone: filepath.Join(base, "clone")}
	bin := filepath.Join(base, "bin")
	require.NoError(t, os.Mkdir(bin, 0o755))
	// The declarations come from a file, which is faster. $AFTER runs after a
	// rotation, and before the push.
	fake := fmt.Sprintf("#!/bin/sh\n'%s' \"$@\" --spec spec.json\nstatus=$?\n[ -z \"${AFTER-}\" ] || eval "+
		"\"$AFTER\"\nexit $status\n", program(t))
	require.NoError(t, os.WriteFile(filepath.Join(bin, "layer"), []byte(fake), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(base, "rotate.sh"), []byte(documented(t)), 0o755))
	p.env = append(plainEnv(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL="+os.DevNull,
		"HOME="+base)

	p.must(base, "git init -q -b main --bare origin.git && git clone -q origin.git owner 2>/dev/null")
	owner := filepath.Join(base, "owner")
	p.must(owner, "git config user.name Owner && git config user.email owner@example.com && git checkout -q -b main")
	p.write(owner, "spec.json", fmt.Sprintf(pipelineSpec, ""))
	p.must(owner, "layer secret init --to dir:"+filepath.Join(base, "target")+" && layer secret apply")
	p.write(owner, "spec.json", fmt.Sprintf(pipelineSpec,
		`, {"kind": "random", "namespace": "auth", "name": "new", "bytes": 16}`))
	p.must(owner, "git add . && git commit -qm Secrets && git push -q -u origin main")
	identity, err := os.ReadFile(filepath.Join(owner, "layer.identity"))
	require.NoError(t, err)
	p.env = append(p.env, "LAYER_IDENTITY="+string(identity))
	return p
}

func (p *pipeline) write(dir, name, text string) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

// sh runs a line in a folder.
func (p *pipeline) sh(dir, line string, env ...string) (status int, out string) {
	p.t.Helper()
	return p.run(dir, env, "sh", "-c", line)
}

func (p *pipeline) run(dir string, env []string, args ...string) (status int, out string) {
	p.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(p.t.Context()), args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(p.env, env...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err := cmd.Run()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		require.NoError(p.t, err)
	}
	return cmd.ProcessState.ExitCode(), both.String()
}

func (p *pipeline) must(dir, line string) string {
	p.t.Helper()
	status, out := p.sh(dir, line)
	require.Zero(p.t, status, "%s: %s", line, out)
	return strings.TrimSpace(out)
}

// cloned makes the clone, with an author.
func (p *pipeline) cloned(args string) {
	p.t.Helper()
	p.must(p.base, "git clone -q "+args+" 'file://"+p.origin+"' clone")
	p.must(p.clone, "git config user.name CI && git config user.email ci@example.com")
}

// ledger returns the content of the ledger in a branch of the origin, empty if
// the branch has none.
func (p *pipeline) ledger(branch string) string {
	p.t.Helper()
	status, out := p.sh(p.origin, "git show "+branch+":layer.secrets.age")
	if status != 0 {
		return ""
	}
	return out
}

// rescues returns the branches with a ledger that could not be pushed.
func (p *pipeline) rescues() []string {
	p.t.Helper()
	return strings.Fields(p.must(p.origin, "git for-each-ref --format='%(refname:short)' 'refs/heads/layer-rescue-*'"))
}

// colleague changes the origin from a clone of their own.
func (p *pipeline) colleague(line string) string {
	return "(unset AFTER; cd '" + p.base + "/owner' && git pull -q && " + line + " && git push -q) || exit 9"
}

const (
	otherFile   = "echo more > more.txt && git add more.txt && git commit -qm More"
	otherLedger = "layer secret ledger recipients --add age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p " +
		"&& git commit -qam Recipient"
	made = "$SECRET.auth.new: created v1"
)

// TestPipelineKeepsTheLedger runs the CI script in various clones. The job
// fails unless the ledger is in the branch, and the new ledger is never lost.
func TestPipelineKeepsTheLedger(t *testing.T) {
	slow.Test(t)
	const (
		pushed    = iota // the new ledger is in the branch
		rescued          // it is in a branch of its own
		kept             // it is in the clone, and the output reports that
		untouched        // nothing was rotated
	)
	for name, tc := range map[string]struct {
		setUp  func(p *pipeline)
		env    []string
		status int
		ends   int
		says   string
	}{
		"a clone": {setUp: func(p *pipeline) { p.cloned("") }, ends: pushed, says: made},
		"no author": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, "git config --unset user.name && git config --unset user.email && git config user.useConfigOnly "+
				"true")
		}, status: 1, ends: untouched, says: "git has no author to commit as: nothing was rotated"},
		"an author in the environment": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone,
				"git config --unset user.name && git config --unset user.email && git config user.useConfigOnly true")
		}, env: []string{"GIT_AUTHOR_NAME=CI", "GIT_AUTHOR_EMAIL=ci@example.com", "GIT_COMMITTER_NAME=CI",
			"GIT_COMMITTER_EMAIL=ci@example.com"},
			ends: pushed, says: made},
		"a detached head": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, "git checkout -q --detach && git branch -qD main")
		}, ends: pushed, says: made},
		"a detached head in a shallow clone": {setUp: func(p *pipeline) {
			p.must(filepath.Join(p.base, "owner"), otherFile+" && git push -q")
			p.cloned("--depth 1")
			p.must(p.clone, "git checkout -q --detach && git branch -qD main")
		}, ends: pushed, says: made},
		"a shallow clone that is behind": {setUp: func(p *pipeline) {
			p.cloned("--depth 1")
			p.must(p.clone, "git checkout -q --detach && git branch -qD main")
			p.must(filepath.Join(p.base, "owner"), otherFile+" && git push -q")
		}, ends: pushed, says: made},
		"a colleague changed the ledger before": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.base, p.colleague(otherLedger))
		}, ends: pushed, says: made},
		"a colleague pushed first": {setUp: func(p *pipeline) {
			p.cloned("")
			p.env = append(p.env, "AFTER="+p.colleague(otherFile))
		}, ends: pushed, says: made},
		"a colleague pushed first, and files have changed here": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, "echo '*.log' >> .gitignore")
			p.env = append(p.env, "AFTER="+p.colleague(otherFile))
		}, ends: pushed, says: made},
		"a colleague pushed another ledger first": {setUp: func(p *pipeline) {
			p.cloned("")
			p.env = append(p.env, "AFTER="+p.colleague(otherLedger))
		}, status: 1, ends: rescued, says: "the new ledger is in the branch layer-rescue-"},
		"a hook refuses the branch": {setUp: func(p *pipeline) {
			p.cloned("")
			p.hook("while read -r old new ref; do [ $ref != refs/heads/main ] || exit 1; done")
		}, status: 1, ends: rescued, says: "the new ledger is in the branch layer-rescue-"},
		"a hook refuses everything": {setUp: func(p *pipeline) {
			p.cloned("")
			p.hook("exit 1")
		}, status: 1, ends: kept, says: "the new ledger is in this clone alone: keep "},
		"the origin is lost after the rotation": {setUp: func(p *pipeline) {
			p.cloned("")
			p.env = append(p.env, "AFTER=mv '"+p.origin+"' '"+p.origin+".lost'")
		}, status: 1, ends: kept, says: "the new ledger is in this clone alone: keep "},
		"no push is allowed": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, "git remote set-url --push origin "+p.base+"/nothing.git")
		}, status: 1, ends: untouched, says: "the ledger could not be pushed to main: nothing was rotated"},
		"a hook refuses the commit": {setUp: func(p *pipeline) {
			p.cloned("")
			p.write(p.clone, ".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n")
			p.must(p.clone, "chmod 755 .git/hooks/pre-commit")
		}, status: 1, ends: rescued, says: "the new ledger is in the branch layer-rescue-"},
		"commits of another branch": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, otherFile)
		}, status: 1, ends: untouched, says: "change more than the ledger"},
		"another branch": {setUp: func(p *pipeline) { p.cloned("") }, env: []string{"BRANCH=none"}, status: 1,
			ends: untouched,
			says: "nothing was rotated"},
		"the ledger is not in git": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, "git rm -q --cached layer.secrets.age && git commit -qm Lost")
		}, status: 1, ends: untouched, says: "layer.secrets.age is not in git"},
		"an earlier run was not committed": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, "layer secret rotate")
		}, ends: pushed, says: "nothing to do"},
		"an earlier run was not pushed": {setUp: func(p *pipeline) {
			p.cloned("")
			p.must(p.clone, "layer secret rotate && git commit -qam Rotate")
			p.must(p.base, p.colleague(otherFile))
		}, ends: pushed, says: "nothing to do"},
		"a value that only a person has": {setUp: func(p *pipeline) {
			owner := filepath.Join(p.base, "owner")
			p.write(owner, "spec.json", fmt.Sprintf(pipelineSpec,
				`, {"kind": "random", "namespace": "auth", "name": "new", "bytes": 16},
				{"kind": "static", "namespace": "billing", "name": "stripe"}`))
			p.must(owner, "git commit -qam Stripe && git push -q")
			p.cloned("")
		}, status: 1, ends: pushed, says: made},
		"the job is ended during the rotation": {setUp: func(p *pipeline) {
			p.cloned("")
			p.env = append(p.env, "AFTER=kill -TERM $PPID")
		}, ends: pushed, says: made},
	} {
		for _, shell := range [][]string{{"sh"}, {"bash", "-eu"}} {
			t.Run(name+"/"+shell[0], func(t *testing.T) {
				t.Parallel()
				for _, tool := range []string{"git", shell[0]} {
					if _, err := exec.LookPath(tool); err != nil {
						slow.Lacks(t, "%s is not installed", tool)
					}
				}
				p := newPipeline(t)
				tc.setUp(p)
				before := p.ledger("main")
				status, out := p.run(p.clone, tc.env, append(shell, filepath.Join(p.base, "rotate.sh"))...)
				require.Equal(t, tc.status, status, out)
				require.Contains(t, out, tc.says)
				ledger, err := os.ReadFile(filepath.Join(p.clone, "layer.secrets.age"))
				require.NoError(t, err)
				switch tc.ends {
				case pushed:
					require.NotEqual(t, before, p.ledger("main"))
					require.Equal(t, string(ledger), p.ledger("main"))
					require.Empty(t, p.rescues())
				case rescued:
					require.Len(t, p.rescues(), 1)
					require.Contains(t, out, p.rescues()[0])
					require.NotContains(t, []string{before, p.ledger("main")}, p.ledger(p.rescues()[0]))
				case kept:
					require.Contains(t, out, filepath.Join(p.clone, "layer.secrets.age"))
					require.NotEqual(t, before, string(ledger))
				case untouched:
					require.NotContains(t, out, made)
					require.Equal(t, before, p.ledger("main"))
					require.NoFileExists(t, filepath.Join(p.base, "target", "LAYERON_SECRET_AUTH_NEW"))
				}
				if tc.ends == rescued || tc.ends == pushed {
					p.opensTarget(map[bool]string{true: "main", false: strings.Join(p.rescues(), "")}[tc.ends == pushed])
				}
			})
		}
	}
}

// hook makes the origin run a line before it takes a push.
func (p *pipeline) hook(line string) {
	p.t.Helper()
	p.write(p.origin, "hooks/pre-receive", "#!/bin/sh\n"+line+"\n")
	p.must(p.origin, "chmod 755 hooks/pre-receive")
}

// opensTarget proves, on a machine without a memory, that the ledger of a
// branch is the ledger of the published values.
func (p *pipeline) opensTarget(branch string) {
	p.t.Helper()
	p.must(p.base, "git clone -q --branch "+branch+" origin.git fresh")
	status, out := p.sh(filepath.Join(p.base, "fresh"), "layer secret status --json", "AFTER=")
	require.Contains(p.t, []int{0, 1}, status)
	require.NotContains(p.t, out, `"state": "drifted"`)
	require.NotContains(p.t, out, `"error": "$SECRET.auth`)
	require.Equal(p.t, 2, strings.Count(out, `"current": "v1"`), out)
}

// A run with nothing to do makes no commit.
func TestPipelineWithNothingToDoCommitsNothing(t *testing.T) {
	slow.Test(t)
	p := newPipeline(t)
	p.cloned("")
	status, out := p.run(p.clone, nil, "sh", filepath.Join(p.base, "rotate.sh"))
	require.Zero(t, status, out)
	head := p.must(p.origin, "git rev-parse main")
	status, out = p.run(p.clone, nil, "sh", filepath.Join(p.base, "rotate.sh"))
	require.Zero(t, status, out)
	require.Contains(t, out, "nothing to do")
	require.Equal(t, head, p.must(p.origin, "git rev-parse main"))
	require.Equal(t, head, p.must(p.clone, "git rev-parse HEAD"))
}
