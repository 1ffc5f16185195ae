package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const head = `The command layer is licensed under the Apache License, Version 2.0. A binary of
it is made of the modules below too, and of Go's runtime and standard library.
Their licences, their notices and the names of their authors follow the list.

.ci/notice makes this file, for Linux and macOS.

`

// entry is a text of the NOTICE, and the files that contain it.
type entry struct {
	text  string
	files []string
}

// notice returns the text of a NOTICE for a program that is made of the modules.
// It returns an error that names each file whose licence is not allowed.
func notice(modules []*module) (string, error) {
	var list strings.Builder
	var entries []*entry
	var problems []error
	for _, m := range modules {
		ids, err := m.check()
		problems = append(problems, err)
		fmt.Fprintf(&list, "%s\n", strings.Join(slices.DeleteFunc([]string{m.path, m.version, strings.Join(ids, ", ")},
			func(s string) bool { return s == "" }), "  "))
		for _, file := range slices.Sorted(maps.Keys(m.texts)) {
			entries = include(entries, m.texts[file], m.path+" "+file)
		}
		excerpts, holders := m.inSources()
		for _, file := range slices.Sorted(maps.Keys(excerpts)) {
			entries = include(entries, excerpts[file], m.path+" "+file)
		}
		if len(holders) > 0 {
			entries = include(entries, strings.Join(holders, "\n"), m.path+" in its files")
		}
	}
	if err := errors.Join(problems...); err != nil {
		return "", fmt.Errorf("%w\nread these licences: use another module, or change the rules in "+
			".ci/tools/notice/licence.go", err)
	}
	for _, e := range entries {
		fmt.Fprintf(&list, "\n%s\n%s\n\n%s", strings.Repeat("-", 80), strings.Join(e.files, "\n"), e.text)
	}
	return head + list.String(), nil
}

// include adds a text that the file contains to the entries, once for all files.
func include(entries []*entry, text, file string) []*entry {
	text = tidy(text)
	for _, e := range entries {
		if e.text == text {
			e.files = append(e.files, file)
			return entries
		}
	}
	return append(entries, &entry{text, []string{file}})
}

// check returns the licences of the module's linked packages, sorted. Each
// package has one at least, and all are allowed.
func (m *module) check() ([]string, error) {
	var all []string
	var problems []error
	complain := func(file string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s %s: %s: %w", m.path, m.version, file, err))
		}
	}
	for _, file := range slices.Sorted(maps.Keys(m.texts)) {
		ids, err := licences(m.texts[file])
		if isNotice(file) {
			ids, _ = scan(m.texts[file])
			err = permitted(ids)
		}
		complain(file, err)
		all = append(all, ids...)
	}
	for _, file := range slices.Sorted(maps.Keys(m.sources)) {
		for _, e := range excerpts(m.sources[file]) {
			complain(file, permitted([]string{e.id}))
			all = append(all, e.id)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(m.packages)) {
		if !slices.ContainsFunc(m.packages[path], func(file string) bool { return !isNotice(file) }) {
			complain("package "+path, errors.New("no file has its licence"))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), errors.Join(problems...)
}

// inSources returns the parts of the module's source files that the NOTICE
// repeats: by file, a licence that none of the module's licence files has, and
// otherwise the holders of a copyright that these do not name, sorted. A file
// under the Apache License names its holders for its source alone.
func (m *module) inSources() (texts map[string]string, holders []string) {
	texts = map[string]string{}
	for file, source := range m.sources {
		for _, e := range excerpts(source) {
			switch {
			case !m.has(e.id):
				texts[file] += e.text + "\n"
			case e.id != "Apache-2.0":
				holders = append(holders, slices.DeleteFunc(copyrights(e.text), m.names)...)
			}
		}
	}
	slices.Sort(holders)
	return texts, slices.Compact(holders)
}

// has reports whether a licence file of the module has the licence.
func (m *module) has(id string) bool {
	for _, text := range m.texts {
		if ids, _ := scan(text); slices.Contains(ids, id) {
			return true
		}
	}
	return false
}

// names reports whether a licence or notice of the module has the line.
func (m *module) names(line string) bool {
	for _, text := range m.texts {
		if strings.Contains(text, line) {
			return true
		}
	}
	return false
}
