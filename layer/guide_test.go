package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recipes maps the guide's sections to the scripts that test them.
var recipes = map[string]string{
	"First set-up": "first_set_up", "Cron and CI": "cron_and_ci", "A rotation out of turn": "out_of_turn",
	"A leaked key":    "leaked_key",
	"A new colleague": "new_colleague", "A lost identity": "lost_identity", "A lost ledger": "lost_ledger",
	"A renamed secret": "renamed_secret", "An existing Worker's secret under rotation": "existing_worker_secret",
	"A value that stays as it is": "bound_value", "Monitoring": "monitoring", "Another target": "another_target",
	"After a rotation: deploy, reload, notify": "after_a_rotation",
	"Moving values in and out":                 "values_in_and_out",
	"An API key that gets a Rotation":          "api_key_rotation",
	"An API key from a script":                 "api_key_script",
	"Programs that do not use the library":     "other_programs",
	"A database password":                      "database_password",
}

// teamRecipes maps the sections of the teams' guide that contain commands to
// their scripts.
var teamRecipes = map[string]string{
	"Setting one up": "setting_one_up", "Moving": "moving", "What a departure costs": "departure",
	"Who did what":   "who_did_what",
	"Values in etcd": "values_in_etcd",
}

// TestRecipesWork and TestServerTeams prove that the scripts pass.
func TestGuidesAndScriptsAgree(t *testing.T) {
	for _, guide := range []struct {
		file, dir string
		recipes   map[string]string
		all       bool // every section has a script
	}{
		{"operations.md", "recipes", recipes, true},
		{"teams.md", "teams", teamRecipes, false},
	} {
		text, err := os.ReadFile("../docs/" + guide.file)
		require.NoError(t, err)
		sections := strings.Split(string(text), "\n## ")[1:]
		scripts, err := filepath.Glob("testdata/" + guide.dir + "/*.txtar")
		require.NoError(t, err)
		require.Len(t, scripts, len(guide.recipes))
		if guide.all {
			require.Len(t, sections, len(guide.recipes))
		}
		seen := 0
		for _, section := range sections {
			heading, section, _ := strings.Cut(section, "\n")
			t.Run(guide.file+"/"+heading, func(t *testing.T) {
				name, ok := guide.recipes[heading]
				if !ok && !guide.all {
					require.NotRegexp(t, block, section, "a section with commands has a script")
					return
				}
				seen++
				require.Contains(t, guide.recipes, heading)
				script, err := os.ReadFile(filepath.Join("testdata", guide.dir, name+".txtar"))
				require.NoError(t, err)
				require.Empty(t, differences(section, string(script)))
			})
		}
		require.Equal(t, len(guide.recipes), seen, guide.file)
	}
}

// anywhere are the commands that a script may use without the guide. They
// change nothing, or only make a change that any next run would make.
var anywhere = []string{"status", "timeline", "log", "spec", "plan", "bindings", "apply", "rotate", "doctor"}

var (
	block  = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	inline = regexp.MustCompile("`((?:layer\\s+secret|git)\\s[^`]+)`")
	runs   = regexp.MustCompile(`(?m)^(?:exit [12] |until .* )?secret ([a-z]+)(.*)$`)
	guides = regexp.MustCompile(`(?m)^guide (?:\d+ |tty \S+ )?(?:'((?:[^']|'')*)'|@\S*?([a-z.]+))$`)
)

// differences returns the differences between a section and its script. The
// script must run every line of the section's blocks, in that order, and every
// command in the section's text. The section must contain every command with
// which the script changes something after its first line of the guide.
func differences(section, script string) (list []string) {
	var lines, told []string
	for _, b := range block.FindAllStringSubmatch(section, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(b[1]), "\n")...)
	}
	for _, m := range inline.FindAllStringSubmatch(block.ReplaceAllString(section, ""), -1) {
		told = append(told, strings.Join(strings.Fields(m[1]), " "))
	}
	script, files, _ := strings.Cut(script, "\n-- ")
	var ran []string
	for _, m := range guides.FindAllStringSubmatch(script, -1) {
		if m[2] == "" {
			ran = append(ran, strings.ReplaceAll(m[1], "''", "'"))
			continue
		}
		_, body, _ := strings.Cut("\n-- "+files, "\n-- "+m[2]+" --\n")
		body, _, _ = strings.Cut(body, "\n-- ")
		if !slices.Contains(ran, strings.Split(body, "\n")[0]) {
			ran = append(ran, strings.Split(body, "\n")...)
		}
	}
	if len(ran) != strings.Count("\n"+script, "\nguide ") && !strings.Contains(script, "@") {
		list = append(list, "a line that begins with guide cannot be read")
	}
	rest := ran
	for _, line := range lines {
		i := slices.Index(rest, line)
		if i < 0 {
			list = append(list, "not run, or not in this order: "+line)
			continue
		}
		rest = rest[i+1:]
	}
	for _, line := range ran {
		if !slices.Contains(lines, line) && !slices.Contains(told, line) {
			list = append(list, "not in the guide: "+line)
		}
	}
	_, begun, _ := strings.Cut("\n"+script, "\nguide ")
	own := runs.FindAllStringSubmatch(begun, -1)
	for _, command := range told {
		same := func(m []string) bool { return strings.HasPrefix("layer secret "+m[1]+m[2], command) }
		if !slices.Contains(ran, command) && !slices.ContainsFunc(own, same) {
			list = append(list, "not run: "+command)
		}
	}
	for _, m := range own {
		if strings.HasPrefix(m[0], "exit ") {
			continue // refused
		}
		command := "layer secret " + m[1]
		named := func(line string) bool { return strings.Contains(line+" ", command+" ") }
		if !slices.Contains(anywhere, m[1]) && !slices.ContainsFunc(lines, named) && !slices.ContainsFunc(told, named) &&
			!strings.Contains(section, fmt.Sprintf("`%s`", m[1])) {
			list = append(list, "not a command of the guide: "+command+m[2])
		}
	}
	return list
}

func TestDifferencesAreFound(t *testing.T) {
	section := "Text.\n\n```sh\nlayer secret rotate --now a.b\ngit push\n```\n\nThen `layer secret\nrollback` " +
		"or `git log`.\n"
	script := "secret init\nguide 'layer secret rotate --now a.b'\nguide 1 'git push'\nguide 'git " +
		"log'\nexit " +
		"1 secret rollback x\n" +
		"secret status\n"
	require.Empty(t, differences(section, script))
	for _, test := range []struct{ name, in, from, to string }{
		{"the guide's line changes", section, "--now", "--immediate"},
		{"the guide has a line more", section, "git push", "git push\ngit pull"},
		{"the guide's order changes", section, "layer secret rotate --now a.b\ngit push",
			"git push\nlayer secret rotate --now a.b"},
		{"the guide names another command", section, "`git log`", "`git log --oneline`"},
		{"the guide names a command more", section, "Text.", "Text, `layer secret apply`."},
		{"the guide does not name a command", section, "or `git log`", ""},
		{"the script runs another line", script, "guide 1 'git push'", "guide 1 'git push -f'"},
		{"the script leaves a line out", script, "guide 1 'git push'\n", ""},
		{"the script does what the guide does not", script, "secret status", "secret revoke"},
		{"nobody can read it", script, "guide 'git log'", "guide git log"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Contains(t, test.in, test.from)
			changed := strings.Replace(test.in, test.from, test.to, 1)
			if test.in == section {
				require.NotEmpty(t, differences(changed, script))
			} else {
				require.NotEmpty(t, differences(section, changed))
			}
		})
	}
}
