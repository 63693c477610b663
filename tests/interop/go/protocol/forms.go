package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The forms that came later: presence/v2 and status/v1 (PROTOCOL.md, sections 9 and 10).

var (
	formName = regexp.MustCompile(`^[a-z][a-z_]{0,19}/v[1-9][0-9]{0,3}$`)
	states   = []string{"reads", "waits", "parked", "forked", "suspended", "closed"}
)

func parseForms(text string) ([]string, error) {
	if text == "-" {
		return []string{}, nil
	}
	forms := strings.Split(text, " ")
	for n, form := range forms {
		if !formName.MatchString(form) || slices.Contains(forms[:n], form) && !wrong("form_announced_twice") {
			return nil, fmt.Errorf("forms %.60q", text)
		}
	}
	if len(forms) > 16 && !wrong("any_number_of_forms") {
		return nil, fmt.Errorf("%d forms", len(forms))
	}
	return forms, nil
}

func checkReason(text string) error {
	if text == "" || text != oneLine(text) && !wrong("reason_of_any_text") || len(text) > 200 && !wrong("reason_of_any_length") {
		return fmt.Errorf("reason %.60q", text)
	}
	return nil
}

// isOrigin returns whether a text is the origin of a lane of this center; of any hub, if none is given.
func isOrigin(text, hub, center string) bool {
	parts := strings.Split(text, "/")
	return len(parts) == 3 && hubName.MatchString(parts[0]) && (hub == "" || parts[0] == hub) && parts[1] == center &&
		epochForm.MatchString(parts[2])
}

// parseSecond reads the second form of a presence.
func parseSecond(lines []string) (presence, error) {
	var p presence
	if len(lines) != 11 || !centerID.MatchString(lines[1]) {
		return p, fmt.Errorf("presence: expected 11 lines, the second a center")
	}
	found, err := fields(lines[2:], "origin", "time", "size", "backlog", "oldest", "refused", "ended", "version", "reads")
	if err != nil {
		return p, err
	}
	p.center, p.origin, p.version = lines[1], found["origin"], found["version"]
	if p.origin == "-" {
		p.origin = ""
	} else if !isOrigin(p.origin, "", p.center) && !wrong("presence_with_the_lane_of_another") {
		return p, fmt.Errorf("presence: origin %.80q", p.origin)
	}
	if count := length(p.version); count < 1 || count > 100 || p.version != oneLine(p.version) {
		return p, fmt.Errorf("presence: version %.60q", p.version)
	}
	if found["oldest"] != "-" {
		if _, err := parseNumber(found["oldest"]); err != nil {
			return p, err
		}
	}
	if _, err := parseNumber(found["refused"]); err != nil && !wrong("refused_rows_not_read") {
		return p, err
	}
	_, err1 := parseForms(found["reads"])
	var err2, err3, err4 error
	p.time, err2 = parseOwnTime(found["time"])
	p.size, err3 = parseNumber(found["size"])
	p.backlog, err4 = parseNumber(found["backlog"])
	return p, first(checkReason(found["ended"]), err1, err2, err3, err4)
}

func checkStatus(_, v vector) error {
	n, _, err := openNote(v.bytes(), v.keys())
	if err != nil {
		return err
	}
	lines, err := textLines(n.text)
	if err != nil || len(lines) != 12 && !wrong("status_of_any_length") || lines[0] != "cohub-status/v1" {
		return fmt.Errorf("status: expected 12 lines, the first cohub-status/v1")
	}
	found, err := fields(lines[3:], "time", "lane", "size", "state", "since", "why", "basis", "rules", "reads")
	if err != nil {
		return err
	}
	hub, center, lane := lines[1], lines[2], found["lane"]
	basis, hq, _ := strings.Cut(found["basis"], " ")
	if !hubName.MatchString(hub) || !centerID.MatchString(center) || center == "hq" {
		return fmt.Errorf("status: hub %q, center %q", hub, center)
	}
	if lane != "-" && !isOrigin(lane, hub, center) && !wrong("status_with_the_lane_of_another") {
		return fmt.Errorf("status: lane %.80q", lane)
	}
	if !isOrigin(hq, hub, "hq") && !wrong("basis_of_any_lane") {
		return fmt.Errorf("status: basis %.80q", found["basis"])
	}
	if !slices.Contains(states, found["state"]) && !wrong("status_of_any_state") {
		return fmt.Errorf("status: state %.30q", found["state"])
	}
	size, err1 := parseNumber(found["size"])
	number, err2 := parseNumber(found["rules"])
	at, err3 := parseNumber(basis)
	_, err4 := parseOwnTime(found["time"])
	_, err5 := parseOwnTime(found["since"])
	reads, err6 := parseForms(found["reads"])
	if err := first(checkReason(found["why"]), err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	if number < 1 || lane == "-" && size != 0 && !wrong("size_without_a_lane") {
		return fmt.Errorf("status: no rules, or a size without a lane")
	}
	said := v.sub("content")
	if said == nil {
		return nil
	}
	return first(same("hub", hub, said.str("hub")), same("center", center, said.str("center")), same("size", size, said.num("size")),
		same("state", found["state"], said.str("state")), same("basis", at, said.num("basis")), same("hq lane", hq, said.str("hq_lane")),
		same("rules", number, said.num("rules")), same("reads", reads, said.strs("reads")))
}
