package statushttp

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // page.html and page.css
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/layeron-hq/secret"
	"github.com/layeron-hq/secret/timeline"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// document is made at the first request: a program may only use Publish.
var document = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Parse(pageText))
})

// fullStyle returns the style of the page and the policy that allows this style
// alone: no script, no picture and no request of any kind.
var fullStyle = sync.OnceValues(func() (css, policy string) {
	css = "\n" + pageStyle + timeline.Style
	sum := sha256.Sum256([]byte(css))
	return css, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
})

// writePage writes the status as a page.
func writePage(w http.ResponseWriter, status secret.Status) {
	css, policy := fullStyle()
	var body bytes.Buffer
	if err := document().Execute(&body, newPage(status, template.CSS(css))); err != nil {
		http.Error(w, "the status cannot be written as a page", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	writeStatus(w, status, body.Bytes())
}

// page is the content of page.html.
type page struct {
	Style          template.CSS
	Summary, Class string
	Time           string
	Chart          chart
	Drawn          bool // there is a version to draw, so the axis and the legend are of use
	Signs          []sign
	Groups         []*group
}

type chart struct{ Defs, Wide, Narrow template.HTML }

type sign struct {
	Drawing template.HTML
	Meaning string
}

// group has the secrets in one state.
type group struct {
	condition
	Rows []row
}

func (g group) Count() int { return len(g.Rows) }

// row is one secret.
type row struct {
	condition
	Address      string
	Facts        []string
	Problems     []problem
	Note         string
	Older, Lanes []lane
}

// problem is a word and an explanation. Quote is true for a text that this
// package did not write.
type problem struct {
	Word, Text string
	Quote      bool
}

type lane struct {
	ID, Label, State string
	Drawing          template.HTML
}

// condition is the state of a secret in words, and the class of its colour.
type condition struct{ ID, Class, Word, Title string }

// The conditions, worst first.
var (
	failing    = condition{"failing", "bad", "reads fail", "Reads fail"}
	unattended = condition{"person", "warn", "needs a person", "Needs a person"}
	stale      = condition{"stale", "warn", "stale", "Stale"}
	unset      = condition{"unset", "unset", "not set", "Not set"}            // optional, and the store has no value
	unread     = condition{"unread", "unset", "not read yet", "Not read yet"} // given to Use after Start
	well       = condition{"ok", "ok", "OK", "OK"}
	conditions = []condition{failing, unattended, stale, unset, unread, well}
)

func conditionOf(s secret.SecretStatus) condition {
	switch {
	case s.Failing:
		return failing
	case s.NeedsPerson:
		return unattended
	case !s.StaleSince.IsZero():
		return stale
	case s.Current == "" && s.LastSuccess.IsZero():
		return unread
	case s.Optional && s.Current == "":
		return unset
	}
	return well
}

// visibleLanes is the number of the newest versions that are shown unfolded. The
// current one, whose lane has this state, is shown too if it is older.
const (
	visibleLanes = 8
	current      = "current"
)

func newPage(status secret.Status, css template.CSS) page {
	lives := make([]timeline.Secret, len(status.Secrets))
	for i, s := range status.Secrets {
		lives[i] = livesOf(s, status.Time)
	}
	drawn := timeline.NewChart(lives, status.Time, time.UTC)
	p := page{Style: css, Time: instant(status.Time),
		Chart: chart{template.HTML(drawn.Defs), template.HTML(drawn.Wide), template.HTML(drawn.Narrow)}}
	for _, s := range drawn.Signs {
		p.Signs = append(p.Signs, sign{template.HTML(s.Drawing), s.Meaning})
	}
	groups := map[condition]*group{}
	for _, c := range conditions {
		groups[c] = &group{condition: c}
	}
	for i, s := range status.Secrets {
		g := groups[conditionOf(s)]
		g.Rows = append(g.Rows, newRow(s, status.Time, drawn.Lives[i]))
		p.Drawn = p.Drawn || len(drawn.Lives[i].Lanes) > 0
	}
	for _, c := range conditions {
		if len(groups[c].Rows) > 0 {
			p.Groups = append(p.Groups, groups[c])
		}
	}
	p.Summary, p.Class = summary(status)
	return p
}

// summary describes all secrets in one line.
func summary(status secret.Status) (text, class string) {
	count := map[condition]int{}
	for _, s := range status.Secrets {
		count[conditionOf(s)]++
	}
	of := fmt.Sprintf(" of %d secrets ", len(status.Secrets))
	switch persons := count[unattended]; {
	case count[failing] > 0:
		return fmt.Sprintf("reads fail for %d of %d secrets", count[failing], len(status.Secrets)), failing.Class
	case persons > 0:
		return fmt.Sprint(persons) + of + plural(persons, "needs a person", "need a person"), unattended.Class
	case count[stale] > 0:
		return fmt.Sprint(count[stale]) + of + plural(count[stale], "is stale", "are stale"), stale.Class
	case !status.OK:
		return "no App", failing.Class
	case len(status.Secrets) == 0:
		return "no secrets", well.Class
	}
	if unset := count[unset]; unset > 0 {
		return fmt.Sprintf("%d of %d secrets not set (optional), no problems", unset, len(status.Secrets)), well.Class
	}
	if unread := count[unread]; unread > 0 {
		return fmt.Sprintf("%d of %d secrets not read yet, no problems", unread, len(status.Secrets)), well.Class
	}
	return fmt.Sprint(len(status.Secrets)) + plural(len(status.Secrets), " secret: OK", " secrets: all OK"), well.Class
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// livesOf returns what is drawn for a secret. A version that begins after the
// current one is announced: no program has used it yet.
func livesOf(s secret.SecretStatus, now time.Time) timeline.Secret {
	drawn := timeline.Secret{Address: s.Address.String(), Current: s.Current, NextRotation: s.RotationDue}
	var current, pending secret.Life
	for _, v := range s.Versions {
		drawn.Versions = append(drawn.Versions, timeline.Version{ID: v.ID, From: v.ActiveFrom, Until: v.ExpiresAt})
		if v.ID == s.Current {
			current = v
		}
	}
	for _, v := range s.Versions {
		expired := !v.ExpiresAt.IsZero() && !v.ExpiresAt.After(now)
		if v.ActiveFrom.After(current.ActiveFrom) && !expired && !v.ActiveFrom.Before(pending.ActiveFrom) {
			pending = v
		}
	}
	drawn.Pending = pending.ID
	return drawn
}

func newRow(s secret.SecretStatus, now time.Time, drawn timeline.Lives) row {
	r := row{condition: conditionOf(s), Address: visible(s.Address.String()), Note: drawn.Note}
	if s.Failing && s.Current == "" {
		r.Word = "never loaded"
	}
	r.Facts = []string{s.Kind.String(), visible(s.Binding)}
	if s.Optional {
		r.Facts = append(r.Facts, "optional")
	}
	if s.Format != secret.FormatAuto {
		r.Facts = append(r.Facts, s.Format.String())
	}
	if !s.LastSuccess.IsZero() {
		r.Facts = append(r.Facts, "confirmed "+ago(now.Sub(s.LastSuccess))+" ("+instant(s.LastSuccess)+")")
	}
	if drawn.Next != "" {
		r.Facts = append(r.Facts, drawn.Next)
	}
	r.Problems = problems(s, now)
	for i, l := range drawn.Lanes {
		one := lane{visible(l.ID), l.Label, l.State, template.HTML(l.Drawing)}
		if len(drawn.Lanes) > visibleLanes && i < len(drawn.Lanes)-visibleLanes+2 && l.State != current {
			r.Older = append(r.Older, one)
			continue
		}
		r.Lanes = append(r.Lanes, one)
	}
	return r
}

// problems explains the state of a secret.
func problems(s secret.SecretStatus, now time.Time) (list []problem) {
	since := ""
	if !s.StaleSince.IsZero() {
		since = "loads have failed since " + instant(s.StaleSince) + ", " + ago(now.Sub(s.StaleSince))
	}
	switch {
	case s.Failing && s.Current == "":
		list = append(list, problem{Word: "Reads fail", Text: "no document has been loaded yet"})
	case s.Failing:
		list = append(list, problem{Word: "Reads fail", Text: "AppOptions.MaxStale has passed; " + since})
	case since != "" && s.Optional && s.Current == "":
		list = append(list, problem{Word: "Stale",
			Text: since + "; the secret was not set then, and reads return ErrNotFound"})
	case since != "":
		list = append(list, problem{Word: "Stale", Text: since + "; reads return the last good document"})
	}
	if !s.CachedAt.IsZero() {
		list = append(list, problem{Word: "From the cache", Text: "the store has been out of reach since before Start; it " +
			"confirmed the document " + ago(now.Sub(s.CachedAt))})
	}
	if s.LastError != "" {
		list = append(list, problem{"Last error", visible(s.LastError), true})
	}
	for _, w := range s.Warnings {
		of := ""
		if w.Version != "" {
			of = " (" + visible(w.Version) + ")"
		}
		list = append(list, problem{Word: "Warning", Text: visible(w.Message) + of})
	}
	return list
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// ago describes a duration in its largest unit.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s ago", max(0, d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}

// visible escapes the characters that are invisible, or change the direction or
// the position of others: a page must not show another text than it contains.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
