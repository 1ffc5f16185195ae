package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`
	isc = `Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY
AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM
LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR
OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
PERFORMANCE OF THIS SOFTWARE.
`
	apacheHeader = `// Copyright 2020 Ada
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

package a
`
	gplHeader = `// This program is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// This program is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with this program.  If not, see <https://www.gnu.org/licenses/>.

package a
`
)

func comment(text string) string {
	return "// " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n// ") + "\n\npackage a\n"
}

// made returns a module with one linked package, sub, and these files.
func made(t *testing.T, files map[string]string) *module {
	root := filepath.Join(t.TempDir(), "m")
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sub"), 0o755))
	var sources []string
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
		if strings.HasSuffix(name, ".go") {
			sources = append(sources, filepath.Base(name))
		}
	}
	m := &module{path: "example.com/m", version: "v1.2.3", packages: map[string][]string{}, texts: map[string]string{},
		sources: map[string]string{}}
	require.NoError(t, m.add("example.com/m/sub", filepath.Join(root, "sub"), root, sources))
	return m
}

func TestLicencesThatAreNotAllowedFail(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"none", nil, "package example.com/m/sub: no file has its licence"},
		{"a notice alone", map[string]string{"NOTICE": "Copyright 2020 Ada\n"}, "no file has its licence"},
		{"the text of a program alone", map[string]string{"sub/license.go": "package a\n"}, "no file has its licence"},
		{"an empty one", map[string]string{"LICENSE": ""}, "LICENSE: it has no text of a licence"},
		{"an address alone", map[string]string{"LICENSE": "https://opensource.org/licenses/MIT\n"},
			"no known licence has the line"},
		{"an unknown one", map[string]string{"LICENSE": "Copyright 2020 Ada\n\nFor good, not evil.\n"},
			"no known licence has the line"},
		{"a condition before", map[string]string{"LICENSE": "For no use by a bank.\n\nCopyright 2020 Ada\n\n" + mit},
			`"For no use by a bank."`},
		{"a condition after", map[string]string{"LICENSE": "Copyright 2020 Ada\n\n" + mit +
			"\nThe Software shall be used for good, not evil.\n"},
			`"The Software shall be used for good, not evil."`},
		{"the GPL", map[string]string{"COPYING": strings.ReplaceAll(strings.TrimSuffix(gplHeader, "package a\n"), "// ", "")},
			"COPYING: "},
		{"an unknown one in the folder", map[string]string{"LICENSE": mit, "sub/LICENCE.md": "Ask me.\n"},
			"sub/LICENCE.md: "},
		{"the GPL in a source", map[string]string{"LICENSE": mit, "sub/a.go": gplHeader}, "sub/a.go: GPL-3.0"},
		{"the GPL in a notice", map[string]string{"LICENSE": mit, "NOTICE": gplHeader}, "NOTICE: GPL-3.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := notice([]*module{made(t, tc.files)})
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, "example.com/m v1.2.3")
		})
	}
}

func TestNoticeHasWhatALicenceRequires(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
		never []string
	}{
		{"a licence", map[string]string{"LICENSE": "MIT License\r\n\r\nCopyright 2020 Ada\r\n\r\n" + mit},
			[]string{"example.com/m  v1.2.3  MIT\n",
				"\nexample.com/m LICENSE\n\nMIT License\n\nCopyright 2020 Ada\n\nPermission"}, nil},
		{"a notice", map[string]string{"LICENSE": mit, "NOTICE.txt": "Made by Ada.\n"},
			[]string{"\nexample.com/m NOTICE.txt\n\nMade by Ada.\n"}, nil},
		{"a licence of the folder", map[string]string{"LICENSE": mit, "sub/LICENSE": "Copyright 2020 Ada\n\n" + isc},
			[]string{"  ISC, MIT\n", "\nexample.com/m sub/LICENSE\n\nCopyright 2020 Ada\n\nPermission"}, nil},
		{"another licence in a source", map[string]string{"LICENSE": mit,
			"sub/a.go": comment("Copyright 2020 Ada\n\n" + isc)},
			[]string{"  ISC, MIT\n", "\nexample.com/m sub/a.go\n\nCopyright 2020 Ada\n\nPermission",
				"PERFORMANCE OF THIS SOFTWARE."}, []string{"//"}},
		{"another author in a source", map[string]string{"LICENSE": "Copyright 2020 Ada\n\n" + mit,
			"sub/a.go": comment("Copyright 2021 Bob\n\n" + mit)},
			[]string{"\nexample.com/m in its files\n\nCopyright 2021 Bob\n"}, nil},
		{"the same author in a source", map[string]string{"LICENSE": "Copyright 2020 Ada\n\n" + mit,
			"sub/a.go": comment("Copyright 2020 Ada\n\n" + mit)},
			[]string{"  MIT\n"}, []string{"in its files"}},
		{"the Apache License in a source", map[string]string{"LICENSE": mit, "sub/a.go": apacheHeader},
			[]string{"  Apache-2.0, MIT\n", "Copyright 2020 Ada\n\nLicensed under the Apache License"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, err := notice([]*module{made(t, tc.files)})
			require.NoError(t, err)
			for _, want := range tc.want {
				require.Contains(t, text, want)
			}
			for _, never := range tc.never {
				require.NotContains(t, text, never)
			}
		})
	}
}

func TestEqualTextsAppearOnce(t *testing.T) {
	a, b := made(t, map[string]string{"LICENSE": mit}), made(t, map[string]string{"LICENSE": mit + "\n"})
	b.path = "example.com/n"
	text, err := notice([]*module{a, b})
	require.NoError(t, err)
	require.Contains(t, text, "\nexample.com/m LICENSE\nexample.com/n LICENSE\n\nPermission")
	require.Equal(t, 1, strings.Count(text, "Permission is hereby granted"))
}

// Where go list names no module the NOTICE would be empty, and no less current.
func TestModulesAreThoseOfTheProgram(t *testing.T) {
	modules, err := linked(own, []string{"linux/amd64"}) // this program
	require.NoError(t, err)
	var paths []string
	for _, m := range modules {
		paths = append(paths, m.path)
		require.NotEmpty(t, m.texts, m.path)
	}
	require.Equal(t, "Go", paths[0])
	require.Contains(t, paths, "github.com/google/licensecheck")
	require.NotContains(t, paths, "github.com/stretchr/testify", "a test's module is not linked")

	_, err = linked("github.com", []string{"linux/amd64"})
	require.Error(t, err)
	_, err = linked(own, []string{"nowhere/amd64"})
	require.Error(t, err)
}
