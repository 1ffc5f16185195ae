package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/layeron-hq/secret/layer/internal/cloudflarefake"
)

// cmdJSON: json FILE PATH WANT compares a JSON value. PATH is names and indexes
// with dots between them. It ends with .len for a length and .keys for the
// names in an object. WANT is JSON, or /a pattern/ for a text.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json FILE PATH WANT")
	}
	var root any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &root))
	got, err := lookUp(root, args[1])
	ts.Check(err)
	if is(ts, got, args[2]) == neg {
		shown, _ := json.Marshal(got)
		ts.Fatalf("%s is %s", args[1], shown)
	}
}

// is compares a value with JSON, or with a /pattern/.
func is(ts *testscript.TestScript, got any, want string) bool {
	if pattern, ok := strings.CutPrefix(want, "/"); ok {
		text, _ := got.(string)
		return regexp.MustCompile("^(?:" + strings.TrimSuffix(pattern, "/") + ")$").MatchString(text)
	}
	var value any
	ts.Check(json.Unmarshal([]byte(want), &value))
	return reflect.DeepEqual(got, value)
}

// matches fails the script if a pattern does not match, and shows no text.
func matches(ts *testscript.TestScript, neg bool, pattern, text string) {
	if regexp.MustCompile("^(?:"+pattern+")$").MatchString(text) == neg {
		ts.Fatalf("it matches %s: %v", pattern, neg)
	}
}

func lookUp(at any, path string) (any, error) {
	for _, part := range strings.Split(path, ".") {
		switch value := at.(type) {
		case map[string]any:
			if part == "keys" {
				names := map[string]any{}
				for name := range value {
					names[name] = true
				}
				at = sortedKeys(names)
				continue
			}
			member, ok := value[part]
			if !ok {
				return nil, fmt.Errorf("there is no member %s", part)
			}
			at = member
		case []any:
			if part == "len" {
				at = float64(len(value))
				continue
			}
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(value) {
				return nil, fmt.Errorf("there is no element %s of %d", part, len(value))
			}
			at = value[i]
		default:
			return nil, fmt.Errorf("nothing is below %s", part)
		}
	}
	return at, nil
}

func sortedKeys(m map[string]any) any {
	b, _ := json.Marshal(m) // sorts the keys
	d := json.NewDecoder(strings.NewReader(string(b)))
	_, _ = d.Token()
	list := []any{}
	for d.More() {
		name, _ := d.Token()
		list = append(list, name)
		_, _ = d.Token()
	}
	return list
}

// cmdLines: lines FILE PATH WANT… checks that FILE has one JSON object a line
// and that PATH in these objects equals each WANT of json, in that order. A
// final ... allows further lines.
func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: lines FILE PATH WANT…")
	}
	want := args[2:]
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var one map[string]any
		ts.Check(json.Unmarshal([]byte(line), &one))
		if len(want) == 1 && want[0] == "..." {
			return
		}
		if len(want) == 0 {
			ts.Fatalf("there are more lines than %d", len(args)-2)
		}
		got, err := lookUp(one, args[1])
		if err != nil {
			got = nil // left out
		}
		if !is(ts, got, want[0]) {
			ts.Fatalf("%s is %v, not %s", args[1], got, want[0])
		}
		want = want[1:]
	}
	if len(want) > 1 || len(want) == 1 && want[0] != "..." {
		ts.Fatalf("%d lines are missing", len(want))
	}
}

// cmdValue: value TEXT… registers texts that must not be shown.
func cmdValue(ts *testscript.TestScript, _ bool, args []string) {
	for _, text := range args {
		of(ts).hide(text, "a value of the script")
	}
}

// cmdPrivate: private FILE… registers files into which the script itself writes
// values.
func cmdPrivate(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		of(ts).private[ts.MkAbs(file)] = true
	}
}

// cmdMode: mode 0600 FILE… checks the mode of files.
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); (got == args[0]) == neg {
			ts.Fatalf("%s has mode %s", file, got)
		}
	}
}

// cmdSealed: sealed FILE… checks that files are encrypted with age.
func cmdSealed(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		if strings.HasPrefix(ts.ReadFile(file), "-----BEGIN AGE ENCRYPTED FILE-----") == neg {
			ts.Fatalf("%s is encrypted: %v", file, neg)
		}
	}
}

// cmdUntil: until PATH WANT secret ARGUMENT… repeats a command until its JSON
// contains WANT. The end of a window causes no event to wait for.
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 4 || args[2] != "secret" {
		ts.Fatalf("usage: until PATH WANT secret ARGUMENT…")
	}
	var want any
	ts.Check(json.Unmarshal([]byte(args[1]), &want))
	for deadline := time.Now().Add(20 * time.Second); ; {
		r := of(ts).layer(ts, 0, args[2:])
		var root any
		ts.Check(json.Unmarshal([]byte(r.stdout), &root))
		if got, err := lookUp(root, args[0]); err == nil && reflect.DeepEqual(got, want) {
			r.show(ts)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not become %s", args[0], args[1])
		}
	}
}

// cmdCloudflare works on a fake account:
//
//	cloudflare start [quota=N] [pending=N] [stores=N]   from here on, the account in the environment
//	cloudflare fail METHOD PATH [applied=now|twice|late] [drop] [status=N] [code=N] [message=TEXT] [after=SECONDS] [times=N] [skip=N]
//	cloudflare names N                       its store has N values
//	cloudflare text NAME PATTERN             the value of that name matches
//	cloudflare comment NAME PATTERN          so does its comment
//	cloudflare put NAME TEXT COMMENT         a person writes by hand
//	cloudflare drop NAME                     a person deletes by hand
//	cloudflare tokens N                      N API tokens of ours exist
//	cloudflare token NAME ...                adds an API token: read, write, tokens
//	cloudflare writes N                      N requests since the last forget could change something
//	cloudflare forget
//	cloudflare heal                          ends all faults
//	cloudflare release                       late requests arrive
func cmdCloudflare(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	if args[0] == "start" {
		o := cloudflarefake.Options{Quota: option(ts, args, "quota"), Pending: option(ts, args, "pending")}
		for i := range option(ts, args, "stores") {
			o.Stores = append(o.Stores, fmt.Sprintf("store-%d", i+1))
		}
		s.fake = cloudflarefake.New(o)
		startFake(ts, s.fake)
		return
	}
	if s.fake == nil {
		ts.Fatalf("cloudflare start comes first")
	}
	matches := func(text string) {
		if regexp.MustCompile(args[2]).MatchString(text) == neg {
			// The text is not shown: it may be a value.
			ts.Fatalf("%s of %s matches: %v", args[0], args[1], neg)
		}
	}
	count := func(n int) {
		if strconv.Itoa(n) != args[1] {
			ts.Fatalf("%s: %d", args[0], n)
		}
	}
	switch args[0] {
	case "fail":
		s.fake.Fail(fault(ts, args))
	case "names":
		count(len(s.fake.Names()))
	case "tokens":
		count(len(s.fake.Tokens()))
	case "writes":
		n := 0
		for _, r := range s.fake.Requests() {
			if r.Writes() {
				n++
			}
		}
		count(n)
	case "text":
		text, _ := s.fake.Value(args[1])
		matches(text)
	case "comment":
		matches(s.fake.Comment(args[1]))
	case "put":
		s.hide(args[2], "a value of the script")
		s.fake.Put(args[1], args[2], args[3])
	case "drop":
		s.fake.Drop(args[1])
	case "token":
		var p cloudflarefake.Permission
		for _, word := range args[2:] {
			p |= map[string]cloudflarefake.Permission{"read": cloudflarefake.ReadSecrets, "write": cloudflarefake.WriteSecrets,
				"tokens": cloudflarefake.WriteTokens}[word]
		}
		s.fake.Allow(args[1], p)
	case "forget":
		s.fake.Forget()
	case "heal":
		s.fake.Heal()
	case "release":
		s.fake.Release()
	default:
		ts.Fatalf("cloudflare does not %s", args[0])
	}
}

// option returns the number in name=N, or 0.
func option(ts *testscript.TestScript, args []string, name string) int {
	for _, a := range args {
		if text, ok := strings.CutPrefix(a, name+"="); ok {
			n, err := strconv.Atoi(text)
			ts.Check(err)
			return n
		}
	}
	return 0
}

func fault(ts *testscript.TestScript, args []string) cloudflarefake.Fault {
	f := cloudflarefake.Fault{Method: args[1], Path: args[2], Drop: has(args, "drop"), Status: option(ts, args, "status"),
		Code: option(ts, args, "code"), Times: option(ts, args, "times"), Skip: option(ts, args, "skip")}
	for _, a := range args[3:] {
		switch name, text, _ := strings.Cut(a, "="); name {
		case "applied":
			f.Applied = map[string]cloudflarefake.Applied{"now": cloudflarefake.Now, "twice": cloudflarefake.Twice,
				"late": cloudflarefake.Late}[text]
		case "message":
			f.Message = text
		case "after":
			f.Header = http.Header{"Retry-After": {text}}
		}
	}
	return f
}

// cmdIdentity: identity FILE sets LAYER_IDENTITY to the key in FILE.
func cmdIdentity(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("LAYER_IDENTITY", identityKey.FindString(ts.ReadFile(args[0])))
}

// cmdWord: word NAME sets $NAME to the single word that the last command
// printed.
func cmdWord(ts *testscript.TestScript, _ bool, args []string) {
	word := strings.TrimSpace(ts.ReadFile("stdout"))
	if word == "" || strings.ContainsAny(word, " \n") {
		ts.Fatalf("the output is not one word")
	}
	ts.Setenv(args[0], word)
}

// cmdBytes: bytes FILE HEX writes bytes that a script cannot contain.
func cmdBytes(ts *testscript.TestScript, _ bool, args []string) {
	b, err := hex.DecodeString(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// cmdHelps: helps COMMAND…, each of one or two words, checks that each command
// prints its own --help on stdout, with an example.
func cmdHelps(ts *testscript.TestScript, _ bool, args []string) {
	for _, command := range args {
		help := of(ts).layer(ts, 0, append(append([]string{"secret"}, strings.Fields(command)...), "--help")).stdout
		_, examples, _ := strings.Cut(help, "Examples:\n")
		examples, _, _ = strings.Cut(examples, "\n\n")
		if !strings.Contains(examples, "layer secret "+command) {
			ts.Fatalf("the help of %s shows no example", command)
		}
		for line := range strings.Lines(help) {
			if len([]rune(line)) > 200 {
				ts.Fatalf("the help of %s has a line of %d characters", command, len(line))
			}
		}
	}
}
