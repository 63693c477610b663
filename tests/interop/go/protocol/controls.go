package main

import "strings"

// Control records: PROTOCOL.md, section 10.

// checkControl says what a control record comes to.
func checkControl(file, v vector) error {
	r := recordOf(v)
	kind, _ := r.get(controlHeader)
	said, reason := hears(string(kind), r.value, file.str("hub"), file.str("center"), ringOf(file))
	if reason != "" {
		return sameJSON(map[string]any{"quarantined": reason}, v["outcome"])
	}
	if said == "" {
		return sameJSON(map[string]any{"said": nil}, v["outcome"])
	}
	return sameJSON(map[string]any{"said": said}, v["outcome"])
}

// hears returns the kind of what HQ believes (empty: passed over), or why the record is quarantined.
func hears(kind string, value []byte, hub, center string, r ring) (string, string) {
	if wrong("kinds_without_regard_to_case") {
		kind = strings.ToLower(kind)
	}
	n, err := parseNote(value)
	switch kind {
	case "presence", "alarm":
		if err != nil {
			return "", "BAD_CONTROL"
		}
		p, perr := parsePresence(n.text)
		if perr != nil && !wrong("second_presence_is_no_control_record") {
			p, _, perr = parsePresenceV2(n.text)
		}
		about := p.center
		if kind == "alarm" {
			var a alarm
			a, perr = parseAlarm(n.text)
			about = a.center
		}
		if perr != nil {
			return "", "BAD_CONTROL"
		}
		switch r.check(center, "seal", hub+"/"+center, n) {
		case bad:
			return "", "BAD_CONTROL"
		case unknown:
			return "", ""
		}
		if about != center && !wrong("word_of_another_center_taken") {
			return "", "BAD_CONTROL"
		}
		return kind, ""
	case "cosignature":
		if err != nil || len(n.lines) != 1 && !wrong("cosignature_with_more_lines") {
			return "", "BAD_COSIGNATURE"
		}
		c, err := parseCheckpoint(n.text)
		l := n.lines[0]
		if err != nil || len(l.value) <= 8 || cosignedAt(l.value) > 253402300799 {
			return "", "BAD_COSIGNATURE"
		}
		if c.origin != hub+"/log" && !wrong("cosignature_on_any_log") {
			return "", "BAD_COSIGNATURE"
		}
		name := hub + "/" + center + "/witness"
		if l.name != name {
			if wrong("outside_witness_quarantined") {
				return "", "BAD_COSIGNATURE"
			}
			return "", ""
		}
		switch r.check(center, "witness", name, n) {
		case bad:
			return "", "BAD_COSIGNATURE"
		case unknown:
			return "", ""
		}
		return kind, ""
	}
	return "", "BAD_CONTROL"
}
