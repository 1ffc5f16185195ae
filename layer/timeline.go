package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/layeron-hq/secret/layer/internal/atomicfile"
	"github.com/layeron-hq/secret/layer/rotate"
	"github.com/layeron-hq/secret/timeline"
)

func (l *layer) timelineCommand() *cobra.Command {
	svg := ""
	ascii := false
	c := &cobra.Command{Use: "timeline [ADDRESS...]", Short: "Draw the lives of the versions", Args: count(0, -1),
		ValidArgsFunction: l.completeAddresses(-1),
		Long: `Draw the lives of the versions as bars over time. Marks show now, overlaps and the next rotation.
Of the versions that programs no longer get, the ledger keeps the last 4 of each secret.`,
		Example: `  layer secret timeline
  layer secret timeline auth.session-key --svg timeline.svg`,
		RunE: func(c *cobra.Command, args []string) error {
			o, state, only, err := l.operatorOn(c.Context(), false, args)
			if err != nil {
				return err
			}
			l.readsOnce(o, state)
			if err := declared(o.Spec, only...); err != nil {
				return err
			}
			r, err := o.Status(c.Context())
			if err != nil {
				return err
			}
			if len(only) > 0 {
				r.Secrets = slices.DeleteFunc(r.Secrets, func(s rotate.SecretStatus) bool {
					return !slices.Contains(only,
						s.Address)
				})
			}
			if len(only) == 0 {
				l.printUndeclared(r)
			}
			if svg != "" {
				l.err.clear()
				if err := writePicture(l.path(svg), timeline.SVG(lives(r), time.Now(), time.Local)); err != nil {
					return fmt.Errorf("the picture %s cannot be written: %w", l.fileName(svg, "that --svg names"), cause(err))
				}
			}
			switch {
			case l.json:
				l.printJSON(l.timelineJSON(r))
			case svg != "":
				l.out.line("wrote %s", svg)
			default:
				fmt.Fprint(l.out, timeline.Text(lives(r), time.Now(),
					timeline.TextOptions{Width: l.out.width, ASCII: ascii || !l.speaksUnicode(),
						Color: l.out.color(), Location: time.Local}))
			}
			return nil
		}}
	c.Flags().StringVar(&svg, "svg", "", "write a picture to this `FILE`")
	c.Flags().BoolVar(&ascii, "ascii", false, "draw with ASCII characters only")
	return c
}

// writePicture replaces a whole file, or writes to a device. It follows no
// symbolic link: another user of the folder could let it lead to any file.
func writePicture(path, picture string) error {
	if there, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		defer there.Close()
		if info, err := there.Stat(); err != nil || !info.Mode().IsRegular() {
			_, write := there.WriteString(picture)
			return errors.Join(err, write)
		}
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return atomicfile.ErrLink
	}
	folder, err := atomicfile.Open(filepath.Dir(path), nil)
	if err != nil {
		return err
	}
	defer folder.Root.Close()
	access, err := folder.AccessOrReadable(filepath.Base(path))
	if err != nil {
		return err
	}
	_, err = folder.Replace(filepath.Base(path), []byte(picture), access)
	return err
}

func lives(r rotate.Result) []timeline.Secret {
	var list []timeline.Secret
	for _, s := range r.Secrets {
		one := timeline.Secret{Address: printable(s.Address.String()), Current: printable(s.Current),
			Pending: printable(s.Pending), NextRotation: s.NextRotation, Ready: s.Ready}
		for _, v := range slices.Concat(s.Past, s.Versions) {
			one.Versions = append(one.Versions, timeline.Version{ID: printable(v.ID), From: v.ActiveFrom, Until: v.ExpiresAt,
				Gone: string(v.Gone)})
		}
		list = append(list, one)
	}
	return list
}

// speaksUnicode reports whether the locale uses UTF-8. It is true if no locale
// is set.
func (p process) speaksUnicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		v, _ := p.lookup(name)
		if v = strings.ToLower(v); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

type lifeJSON struct {
	versionJSON
	Gone *string `json:"gone"`
}

type timelineJSON struct {
	OK      bool                 `json:"ok"`
	Now     *string              `json:"now"`
	Secrets []timelineSecretJSON `json:"secrets"`
}

type timelineSecretJSON struct {
	Address      string     `json:"address"`
	Current      *string    `json:"current"`
	Pending      *string    `json:"pending"`
	Versions     []lifeJSON `json:"versions"`
	NextRotation *string    `json:"nextRotation"`
}

func (l *layer) timelineJSON(r rotate.Result) timelineJSON {
	out := timelineJSON{OK: true, Now: timeOrNull(time.Now()), Secrets: []timelineSecretJSON{}}
	for _, s := range r.Secrets {
		one := timelineSecretJSON{Address: s.Address.String(), Current: orNull(s.Current), Pending: orNull(s.Pending),
			Versions:     []lifeJSON{},
			NextRotation: timeOrNull(s.NextRotation)}
		for _, v := range slices.Concat(s.Past, s.Versions) {
			one.Versions = append(one.Versions, lifeJSON{versionJSON{v.ID, timeOrNull(v.ActiveFrom), timeOrNull(v.ExpiresAt)},
				orNull(string(v.Gone))})
		}
		out.Secrets = append(out.Secrets, one)
	}
	return out
}
