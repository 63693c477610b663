package main

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
)

// judgeBundle judges every event of a bundle again, and compares the entities that follow with those that it states.
func judgeBundle(files map[string][]byte, spans []span) error {
	var parts []part
	for _, s := range spans {
		p := part{s.center, s.receipt, map[int64][]byte{}, map[int64][]byte{}}
		for sequence := s.first; sequence <= s.last; sequence++ {
			if data, found := files[eventPath(s, sequence, "event")]; found {
				place := sequence
				if r, _ := splitCanonical(data); wrong("event_at_any_index") {
					_, place, _ = r.position()
				}
				p.events[place] = data
			}
			if data, found := files[eventPath(s, sequence, "key")]; found {
				p.keys[sequence] = data
			}
		}
		parts = append(parts, p)
	}
	if wrong("bundles_not_judged_again") {
		return nil
	}
	told, err := judgeAgain(parts)
	if err != nil {
		return err
	}
	for _, s := range spans {
		c, _, err := openCheckpoint(files[s.folder+"seal.note"])
		extended := err == nil && s.center != "hq" && len(c.extensions) > 0 && rulesOf(told.bases[s.receipt.basis]) >= 2
		if extended && !wrong("extended_seals_in_a_bundle_taken") {
			return fmt.Errorf("%s: a seal with extension lines", s.folder)
		}
	}
	stated := 0
	for path := range files {
		if strings.HasPrefix(path, "state/after/") {
			stated++
		}
	}
	for place, entity := range told.entities {
		if entity.Center == "hq" {
			continue // a bundle of what HQ itself says states it, and no vector is one
		}
		stated--
		if data := files[statePath(entity)]; string(data) != told.documents[place] && !wrong("entities_not_compared") {
			return fmt.Errorf("%s: another follows from the events", statePath(entity))
		}
	}
	if stated != 0 && !wrong("entities_of_no_event_taken") && !wrong("entities_not_compared") {
		return fmt.Errorf("entities that no event makes")
	}
	return nil
}

var betweenNames = regexp.MustCompile(`[^a-zA-Z0-9-]+`)

func statePath(e entityJSON) string {
	name := betweenNames.ReplaceAllString(e.ID, "_")
	name = strings.Trim(name[:min(60, len(name))], "_")
	sum := sha256.Sum256([]byte(e.ID))
	return fmt.Sprintf("state/after/%s.%s.%x.json", e.Stream, name, sum[:6])
}
