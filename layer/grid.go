package main

import (
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Tables for a terminal: of several layouts, the first that fits its width.

// gap is the number of spaces between two columns.
const gap = 2

// column is a column of a table, with a cell for each row. A cell "-" is empty.
type column struct {
	title string
	cells []string
}

func newColumn[T any](title string, rows []T, cell func(T) string) column {
	c := column{title: title, cells: make([]string, len(rows))}
	for i, row := range rows {
		c.cells[i] = cell(row)
	}
	return c
}

func (c column) empty() bool {
	return !slices.ContainsFunc(c.cells, func(cell string) bool { return cell != "-" })
}

func (c column) width() int {
	width := len(c.title)
	for _, cell := range c.cells {
		width = max(width, text.StringWidthWithoutEscSequences(cell))
	}
	return width
}

// fitting returns the first layout that fits, without its empty columns, and
// the table. It returns nil if none fits. Each name in a layout is a key of
// columns.
func fitting(layouts [][]string, columns map[string]column, width int) (layout []string, rendered string) {
	for _, layout := range layouts {
		layout = slices.DeleteFunc(slices.Clone(layout), func(name string) bool { return columns[name].empty() })
		total := -gap
		for _, name := range layout {
			total += columns[name].width() + gap
		}
		if len(layout) > 0 && total <= width {
			return layout, render(layout, columns)
		}
	}
	return nil, ""
}

func render(layout []string, columns map[string]column) string {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", gap)
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	row := func(cell func(column) string) (row table.Row) {
		for _, name := range layout {
			row = append(row, cell(columns[name]))
		}
		return row
	}
	t.AppendHeader(row(func(c column) string { return c.title }))
	for i := range columns[layout[0]].cells {
		t.AppendRow(row(func(c column) string { return c.cells[i] }))
	}
	lines := strings.Split(t.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
