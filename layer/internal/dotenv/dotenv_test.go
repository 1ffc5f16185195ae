package dotenv_test

import (
	"fmt"
	"testing"

	"github.com/joho/godotenv"
	"github.com/stretchr/testify/require"

	"github.com/layeron-hq/secret/layer/internal/dotenv"
	"github.com/layeron-hq/secret/layer/internal/dotenv/dotenvtest"
)

// same fails without showing a value.
func same(t *testing.T, want, got, what string) {
	t.Helper()
	require.True(t, want == got, what)
}

// checkRoundTrip fails unless Parse and godotenv read every value back from one
// file.
func checkRoundTrip(t *testing.T, values []string) (file string) {
	t.Helper()
	var names []string
	for i := range values {
		names = append(names, fmt.Sprintf("NAME_%d", i))
	}
	for i, value := range values {
		line, err := dotenv.Quote(names[i], value, names)
		require.NoError(t, err, "value %d", i)
		file += line + "\n"
	}
	entries, err := dotenv.Parse(file)
	require.NoError(t, err)
	require.Len(t, entries, len(values))
	theirs, err := godotenv.Unmarshal(file)
	require.True(t, err == nil, "godotenv reads the file") // its error shows the value
	for i, e := range entries {
		require.Equal(t, names[i], e.Name)
		require.Empty(t, e.Problem, "value %d", i)
		require.False(t, e.Comment, "value %d", i)
		same(t, values[i], e.Value.Reveal(), fmt.Sprintf("Parse reads value %d", i))
		same(t, values[i], theirs[e.Name], fmt.Sprintf("godotenv reads value %d", i))
	}
	return file
}

func TestQuotedValuesAreReadBack(t *testing.T) {
	checkRoundTrip(t, dotenvtest.Awkward(3_000))
}

// The form of a line decides which other programs read it.
func TestQuoteUsesTheFormThatMostProgramsRead(t *testing.T) {
	for name, tc := range map[string]struct {
		value, want string
		npm         bool // npm's dotenv reads the same value
	}{
		"token":                         {"sk_live_4f.A/b+c=", `sk_live_4f.A/b+c=`, true},
		"space at the ends":             {" a ", `' a '`, true},
		"dollar and hash":               {"a$B#c", `'a$B#c'`, true},
		"double quotes, backslash":      {`a"b\c`, `'a"b\c'`, true},
		"single quote":                  {"it's", `"it's"`, true},
		"newlines":                      {"-----BEGIN\nabc\n", `"-----BEGIN\nabc\n"`, true},
		"JSON of several lines":         {"{\n\"a\": 1}", "'{\n\"a\": 1}'", true},
		"carriage return":               {"a\r\nb", `"a\r\nb"`, true},
		"both quotes":                   {`it's "it"`, `it's "it"`, true},
		"backslash at the end":          {`C:\`, `C:\`, true},
		"a lone backslash":              {`\`, `\`, true},
		"both quotes and a dollar":      {`it's "$1" a`, `"it's \"\$1\" a"`, false},
		"a backslash after a newline":   {"a\n\\", `"a\n\\""`, false},
		"a quote at the end, newline":   {"it's\n\"", `"it's\n\"${EMPTY}"`, false},
		"a backtick and single quote":   {"`'", "\"`'\"", true},
		"single quote, newline and \\n": {"'\n" + `\n`, `"'\n\\n"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			line, err := dotenv.Quote("KEY", tc.value, []string{"KEY"})
			require.NoError(t, err)
			require.Equal(t, "KEY="+tc.want, line)
			checkRoundTrip(t, []string{tc.value})
			require.Equal(t, tc.npm, dotenv.NPM(line)["KEY"] == tc.value)
		})
	}
}

func TestQuoteRefusesWhatNoFileCanHold(t *testing.T) {
	for name, tc := range map[string]struct {
		value string
		names []string
		says  string
	}{
		"zero byte":              {"madeup\x00", nil, "zero byte"},
		"bytes":                  {"madeup\xff", nil, "UTF-8"},
		"the name EMPTY is used": {"'madeup\n\"", []string{"EMPTY"}, "EMPTY"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dotenv.Quote("KEY", tc.value, tc.names)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "madeup")
		})
	}
}

func TestParseReadsWhatProgramsAgreeOn(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want string
	}{
		"bare":                         {"KEY=value", "value"},
		"spaces around":                {" KEY =  value \t", "value"},
		"export":                       {"export KEY=value", "value"},
		"comment":                      {"KEY=value # see #5", "value"},
		"comments and empty lines":     {"# a\n\n  # b\nKEY=value\n#", "value"},
		"Windows":                      {"KEY='a\r\nb'\r\n", "a\nb"},
		"hash in quotes":               {`KEY="a #b" # c`, "a #b"},
		"empty":                        {"KEY=", ""},
		"empty in quotes":              {`KEY=""`, ""},
		"equals":                       {"KEY=a=b==", "a=b=="},
		"quotes inside":                {`KEY={"a": 'b'}`, `{"a": 'b'}`},
		"backslashes":                  {`KEY=a\nb\`, `a\nb\`},
		"backslashes in single quotes": {`KEY='a\nb'`, `a\nb`},
		"escapes":                      {`KEY="a\nb\r\\\"\$\!` + "\\`" + `"`, "a\nb\r\\\"$!`"},
		"newline in double quotes":     {"KEY=\"a\nb\"", "a\nb"},
		"a backslash at the end":       {`KEY="C:\\"`, `C:\`},
		"a lone dollar":                {`KEY=a$ $b-$`, `a$ $b-$`},
		"a dollar in single quotes":    {`KEY='$HOME ${X}'`, `$HOME ${X}`},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := dotenv.Parse(tc.text)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, "KEY", list[0].Name)
			require.Empty(t, list[0].Problem)
			require.Equal(t, tc.want, list[0].Value.Reveal())
		})
	}
}

func TestParseKeepsNamesAndLines(t *testing.T) {
	list, err := dotenv.Parse("A=1\n\n# c\nB='2\n2'\nexport $SECRET.a.b-c=3\na.b-c=4\nA=5")
	require.NoError(t, err)
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%d %s", e.Line, e.Name))
	}
	require.Equal(t, []string{"1 A", "4 B", "6 $SECRET.a.b-c", "7 a.b-c", "8 A"}, got)
}

// Such a value has a Problem, and the file's other values do not.
func TestParseDecidesNoDisagreement(t *testing.T) {
	for name, tc := range map[string]struct{ line, says string }{
		"reference":                    {`KEY=madeup$HOME`, "expands none"},
		"reference in braces":          {`KEY="madeup${host}"`, "expands none"},
		"command":                      {`KEY="$(madeup)"`, "expands none"},
		"part of a hash":               {`KEY=$2b$10$madeup`, "single quotes"},
		"hash":                         {`KEY=madeup#a`, "#"},
		"hash at the beginning":        {`KEY=#madeup`, "#"},
		"hash in a comment and before": {`KEY=made#up #c`, "#"},
		"escaped dollar":               {`KEY=madeup\$a`, "quotes"},
		"backtick":                     {"KEY=`madeup`", "backtick"},
		"unknown escape":               {`KEY="DOMAIN\madeup"`, "backslash"},
		"escaped single quote":         {`KEY="madeup\'"`, "backslash"},
		"no-break space":               {"KEY=madeup\u00a0", "ASCII"},
		"reference to EMPTY":           {`KEY="madeup${EMPTY}"`, "expands none"},
		"reference to a defined EMPTY": {`KEY="madeup\"${EMPTY}"` + "\nEMPTY=x", "expands none"},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := dotenv.Parse("FIRST=1\n" + tc.line + "\nLAST=2")
			require.NoError(t, err)
			require.Equal(t, "1", list[0].Value.Reveal())
			require.Equal(t, "2", list[len(list)-1].Value.Reveal())
			require.Contains(t, list[1].Problem, tc.says)
			require.Empty(t, list[1].Value.Reveal())
			require.NotContains(t, fmt.Sprintf("%+v %#v", list, list), "madeup")
		})
	}
}

func TestParseRefusesWhatItCannotSeparate(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		line int
		says string
	}{
		"no pair":                  {"A=1\nmadeup", 2, "NAME=VALUE"},
		"no name":                  {"=madeup", 1, "NAME=VALUE"},
		"YAML":                     {"key: madeup", 1, "NAME=VALUE"},
		"a key in several lines":   {"A=-----BEGIN KEY-----\nmadeup/madeup==", 2, "NAME=VALUE"},
		"no closing single quote":  {"A=1\nB='madeup\n\n", 2, "do not end"},
		"no closing double quote":  {`B="madeup\"`, 1, "do not end"},
		"text after the quote":     {"A=1\n\nB=\"made\"up", 3, "closing quote"},
		"escaped single quote":     {`B='made\'up'`, 1, "backslash"},
		"backslash before the end": {`B='madeup\'`, 1, "backslash"},
		"carriage return":          {"A=1\nB='made\rup'", 2, "carriage return"},
		"zero byte":                {"A=1\nB=made\x00up", 2, "zero byte"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dotenv.Parse(tc.text)
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, fmt.Sprintf("line %d: ", tc.line))
			require.NotContains(t, err.Error(), "made")
		})
	}
}

// The lines of npm's own documentation and tests.
func TestNPMReadsAsDocumented(t *testing.T) {
	for line, want := range map[string]string{
		"KEY=basic": "basic", "KEY=": "", "KEY=  some value  ": "some value", `KEY={"foo": "bar"}`: `{"foo": "bar"}`,
		`KEY='quoted'`: "quoted", `KEY="  some value  "`: "  some value  ", `KEY="new\nline"`: "new\nline",
		`KEY='new\nline'`: `new\nline`, "KEY=`'single' \"double\"`": `'single' "double"`, "KEY=value # comment": "value",
		"KEY=val#ue": "val", `KEY="val#ue" # c`: "val#ue", `KEY="a\"b"`: `a\"b`, "KEY=\"a\r\nb\"": "a\nb",
		`KEY="unclosed`: `"unclosed`, "export KEY=x": "x", "KEY: x": "x", "KEY='a\nb'": "a\nb",
		"KEY=\u00a0x\ufeff": "x",
	} {
		require.Equal(t, want, dotenv.NPM("FIRST=1\n" + line + "\nLAST=2\n")["KEY"], line)
	}
}

// Where npm's dotenv and godotenv agree on the one variable of a file, Parse
// returns the same value, or none.
func checkAgreement(t *testing.T, text string) {
	t.Helper()
	list, err := dotenv.Parse(text)
	if err != nil || len(list) != 1 || list[0].Problem != "" {
		return
	}
	theirs, err := godotenv.Unmarshal(text)
	name := list[0].Name
	npm := dotenv.NPM(text)
	if one, ok := npm[name]; err == nil && ok && theirs[name] == one && len(npm) == 1 && len(theirs) == 1 {
		same(t, one, list[0].Value.Reveal(), "all read the same value")
	}
}

func TestParseAgreesWithTheOthersOrReturnsNothing(t *testing.T) {
	for _, value := range dotenvtest.Awkward(3_000) {
		checkAgreement(t, "KEY="+value)
		checkAgreement(t, `KEY="`+value+`"`)
		checkAgreement(t, "KEY='"+value+"'\n")
	}
}

func FuzzQuote(f *testing.F) {
	for _, value := range dotenvtest.Awkward(100) {
		f.Add(value, "x")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, value := range []string{one, two} {
			if _, err := dotenv.Quote("KEY", value, nil); err != nil {
				return
			}
		}
		checkRoundTrip(t, []string{one, two})
	})
}

func FuzzParse(f *testing.F) {
	for _, value := range dotenvtest.Awkward(100) {
		f.Add("KEY=" + value)
		f.Add(`KEY="` + value + `"`)
	}
	f.Fuzz(func(t *testing.T, text string) { checkAgreement(t, text) })
}
