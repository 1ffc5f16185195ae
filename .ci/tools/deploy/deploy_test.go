// Package deploy parses the files of the folder deploy with the tools of the
// systems that they are for.
package deploy

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"
)

const folder = "../../../deploy"

func content(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return string(text)
}

// verify runs systemd-analyze on the units, with a program in the place of
// layer, which is not installed.
func verify(t *testing.T, change func(name, text string) string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	require.NoError(t, err, "install systemd")
	dir := t.TempDir()
	layer := filepath.Join(dir, "layer")
	require.NoError(t, os.WriteFile(layer, []byte("#!/bin/sh\n"), 0o755))
	args := []string{"verify", "--man=no"}
	for _, name := range []string{"layer-rotate.service", "layer-rotate.timer"} {
		text := strings.ReplaceAll(content(t, "systemd/"+name), "/usr/local/bin/layer", layer)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(change(name, text)), 0o600))
		args = append(args, filepath.Join(dir, name))
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	// Units of the machine itself are not under test.
	var own []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "layer-rotate") {
			own = append(own, line)
		}
	}
	return strings.Join(own, ""), err
}

func TestSystemdAcceptsTheUnits(t *testing.T) {
	out, err := verify(t, func(_, text string) string { return text })
	require.NoError(t, err, out)
	require.Empty(t, out)
	out, _ = verify(t, func(_, text string) string { return strings.ReplaceAll(text, "PrivateTmp=", "PrivateTemp=") })
	require.Contains(t, out, "PrivateTemp", "a wrong name is found")
	out, _ = verify(t, func(_, text string) string {
		return strings.ReplaceAll(text, "OnCalendar=hourly",
			"OnCalendar=hurly")
	})
	require.Contains(t, out, "hurly", "a wrong time is found")
}

func TestActionlintAcceptsTheWorkflow(t *testing.T) {
	lint := func(text string) []*actionlint.Error {
		linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
		require.NoError(t, err)
		found, err := linter.Lint(".github/workflows/rotate.yml", []byte(text), nil)
		require.NoError(t, err)
		return found
	}
	text := content(t, "github/rotate.yml")
	require.Empty(t, lint(text))
	require.NotEmpty(t, lint(strings.ReplaceAll(text, "timeout-minutes", "timeout-minute")))
	require.NotEmpty(t, lint(strings.ReplaceAll(text, "github.ref_name", "github.branch")))
}

func TestKubernetesKnowsEveryField(t *testing.T) {
	decode := func(text string) (job batchv1.CronJob, err error) {
		return job, yaml.UnmarshalStrict([]byte(text), &job)
	}
	text := content(t, "kubernetes/cronjob.yaml")
	job, err := decode(text)
	require.NoError(t, err)
	require.Equal(t, "CronJob", job.Kind)
	require.Equal(t, "batch/v1", job.APIVersion)
	pod := job.Spec.JobTemplate.Spec.Template.Spec
	require.Len(t, pod.Containers, 1)
	mounted := map[string]bool{}
	for _, v := range pod.Volumes {
		mounted[v.Name] = true
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		require.True(t, mounted[m.Name], "the volume %s is not defined", m.Name)
		require.Empty(t, m.SubPath, "a file that is mounted by subPath never changes")
	}
	_, err = decode(strings.ReplaceAll(text, "backoffLimit", "backOffLimits"))
	require.Error(t, err, "a wrong name is found")
}

// The script is also in the guide for operators, whose tests run it.
func TestRotateScriptIsTheOneOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/operations.md")
	require.NoError(t, err)
	script := content(t, "rotate.sh")
	require.True(t, bytes.Contains(guide, []byte("```sh\n"+script+"```")),
		"deploy/rotate.sh is not the script of docs/operations.md")
	info, err := os.Stat(filepath.Join(folder, "rotate.sh"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100, "it is executable")
}
