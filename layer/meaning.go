package main

import "strings"

// The words that users of other programs type, and the commands and flags that
// have the same meaning here.

// meaning maps words to names, both in lists separated by spaces and commas.
type meaning struct {
	words string
	// The names of the first list of which layer has one.
	names []string
}

// commandMeanings has the commands of sops, vault, doppler, chamber, kubectl,
// git, clouds and shells.
var commandMeanings = []meaning{
	{"get show read cat print view display echo value decrypt fetch access peek see open", []string{"reveal"}},
	{"set-value edit put write update change modify store save upsert insert enter input patch replace encrypt enc",
		[]string{"set"}},
	{"add create new", []string{"set, apply"}},
	{"generate gen make provision ensure up sync deploy publish push", []string{"apply"}},
	{"rm delete del destroy erase purge drop unset forget", []string{"remove"}},
	{"mv", []string{"rename"}},
	{"move migrate", []string{"rename, target, ledger copy"}},
	{"ls list info state describe inspect overview names st stat all secrets find search grep tree dir ps",
		[]string{"status"}},
	{"check verify validate diagnose test ping health troubleshoot", []string{"doctor, status", "status"}},
	{"history logs audit changes events activity journal blame", []string{"log"}},
	{"versions chart gantt draw calendar schedule", []string{"timeline"}},
	{"diff preview dry-run whatif what-if compare", []string{"plan"}},
	{"undo revert restore rewind back reset withdraw previous", []string{"rollback"}},
	{"renew roll refresh cycle regenerate reissue promote finish continue resume rotation then hook notify",
		[]string{"rotate"}},
	{"expire invalidate disable kill ban retire block deactivate", []string{"revoke"}},
	{"exec execute start with shell sh inject watch restart reload spawn", []string{"run"}},
	{"env printenv", []string{"run, export", "run"}},
	{"download dump dotenv pull template render", []string{"export", "reveal"}},
	{"upload load bulk", []string{"import", "set"}},
	{"setup initialize initialise bootstrap configure config login begin keygen", []string{"init"}},
	{"share users user members member team grant invite updatekeys keys groups rekey add-recipient",
		[]string{"ledger recipients"}},
	{"cp copy backup clone", []string{"ledger copy"}},
	{"fingerprint", []string{"ledger id"}},
	{"database db vault", []string{"ledger"}},
	{"destination provider backend", []string{"target"}},
	{"declarations declared declare schema scan discover manifest graph", []string{"spec"}},
	{"binding wrangler worker", []string{"bindings"}},
	{"lint analyze analyse linter", []string{"vet"}},
}

// ledgerMeanings has the words for the commands of `layer secret ledger`.
var ledgerMeanings = []meaning{
	{"add rm remove delete list ls share invite members users keys team grant", []string{"ledger recipients"}},
	{"mv move cp migrate backup clone transfer export", []string{"ledger copy"}},
	{"show get fingerprint info print", []string{"ledger id"}},
	{"new create init setup", []string{"init"}},
	{"history audit changes", []string{"log"}},
}

// flagMeanings has the words for flags, without the dashes.
var flagMeanings = []meaning{
	{"force f", []string{"yes, adopt-ledger, immediate", "from-file"}},
	{"overwrite replace confirm no-confirm assume-yes non-interactive noninteractive auto-approve approve no-prompt " +
		"quiet q " +
		"no-input",
		[]string{"yes"}},
	{"value data secret password literal token string", []string{"from-stdin, from-file, value-env"}},
	{"file from input path value-file data-file", []string{"from-file", "spec, ledger"}},
	{"stdin pipe value-stdin", []string{"from-stdin"}},
	{"env from-env value-from-env variable e var set-env", []string{"env", "value-env", "keep-env", "environment"}},
	{"pass-env preserve-env", []string{"keep-env"}},
	{"stage", []string{"environment"}},
	{"dry preview check noop no-op plan simulate whatif what-if n", []string{"dry-run"}},
	{"output out format o", []string{"format", "svg, json", "json"}},
	{"j as-json", []string{"json"}},
	{"dotenv shell toml jsonc yaml", []string{"format"}},
	{"type t", []string{"kind", "format"}},
	{"picture image png", []string{"svg"}},
	{"plain text no-unicode", []string{"ascii", "plain"}},
	{"raw values current bare unwrap", []string{"plain"}},
	{"reload restart follow on-change auto-restart w", []string{"watch", "then"}},
	{"sig kill-signal s", []string{"signal"}},
	{"hook exec command cmd run after post notify deploy post-hook after-command", []string{"then"}},
	{"mapping rename alias m as", []string{"map"}},
	{"from after newer tail last", []string{"since", "from-stdin"}},
	{"filter only where", []string{"state, kind"}},
	{"key key-file keyfile private-key age-key identity-file i", []string{"identity"}},
	{"recipient recipients share invite public-key r", []string{"recipient", "add"}},
	{"delete rm drop", []string{"remove"}},
	{"immediately instant instantly at-once asap both-phases", []string{"immediate"}},
	{"adopt accept", []string{"adopt-ledger"}},
	{"database db state vault config", []string{"ledger"}},
	{"id fingerprint", []string{"ledger-id"}},
	{"schema declarations manifest", []string{"spec"}},
	{"target destination dest provider backend into dir folder directory", []string{"to"}},
	{"wait delay overlap ttl interval", []string{"window"}},
	{"skew slack leeway grace", []string{"margin"}},
	{"size max-size max", []string{"limit"}},
	{"late max-age", []string{"overdue"}},
	{"no-network local no-check skip-check", []string{"offline"}},
}

// meaningOf returns the names that have the meaning of a word: of its first
// list of names, those that exist.
func meaningOf(table []meaning, word string, exists func(name string) bool) (found []string) {
	for _, m := range table {
		if !contains(m.words, word) {
			continue
		}
		for _, list := range m.names {
			for name := range strings.SplitSeq(list, ", ") {
				if exists(name) {
					found = append(found, name)
				}
			}
			if len(found) > 0 {
				return found
			}
		}
	}
	return nil
}

// contains reports whether a list, separated by spaces, contains a word.
func contains(list, word string) bool {
	return word != "" && strings.Contains(" "+list+" ", " "+word+" ")
}
