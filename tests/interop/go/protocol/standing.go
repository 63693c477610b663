package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// more is what presence/v2 says beside what presence/v1 does. oldest is -1 where no event waits.
type more struct {
	oldest, refused int64
	ended           string
	reads           []string
}

var (
	formName  = regexp.MustCompile(`^[a-z][a-z_]{0,19}/v[1-9][0-9]{0,3}$`)
	announces = regexp.MustCompile(`^.* \(reads ([^()]+)\)$`)
	causeForm = regexp.MustCompile(`^[A-Z][A-Z_]{0,39}( .+)?$`)
)

// parseForms returns the forms that a line `reads` names.
func parseForms(text string) ([]string, error) {
	if text == "-" {
		return nil, nil
	}
	forms, seen := strings.Split(text, " "), map[string]bool{}
	for _, form := range forms {
		if !formName.MatchString(form) && !wrong("form_of_any_name") || seen[form] && !wrong("form_twice_taken") {
			return nil, fmt.Errorf("form %.60q", form)
		}
		seen[form] = true
	}
	if len(forms) > 16 && !wrong("any_number_of_forms") {
		return nil, fmt.Errorf("%d forms", len(forms))
	}
	return forms, nil
}

// announced returns the forms that the version of a presence/v1 announces.
func announced(version string) []string {
	if wrong("forms_announced_anywhere") {
		version = version[:strings.LastIndex(version, ")")+1]
	}
	found := announces.FindStringSubmatch(version)
	if found == nil {
		return nil
	}
	forms, err := parseForms(found[1])
	if err != nil {
		return nil
	}
	return forms
}

// parseReason returns a reason on one line of at most 200 bytes, empty for `-`.
func parseReason(text string) (string, error) {
	size := len(text)
	if wrong("reason_counted_in_characters") {
		size = len([]rune(text))
	}
	if size > 200 || text == "" && !wrong("empty_reason_taken") || oneLine(text) != text && !wrong("reason_of_many_lines") {
		return "", fmt.Errorf("reason %.60q", text)
	}
	if text == "-" && !wrong("dash_is_why") {
		return "", nil
	}
	return text, nil
}

func isLane(text, hub, center string) bool {
	epoch, found := strings.CutPrefix(text, hub+"/"+center+"/")
	return found && epochForm.MatchString(epoch) || wrong("lane_of_anybody")
}

func parsePresenceV2(text string) (presence, more, error) {
	var p presence
	var m more
	lines, err := textLines(text)
	if err != nil || len(lines) != 11 || lines[0] != "cohub-presence/v2" || !centerID.MatchString(lines[1]) {
		return p, m, fmt.Errorf("presence: expected 11 lines, the first cohub-presence/v2, the second a center")
	}
	found, err := fields(lines[2:], "origin", "time", "size", "backlog", "oldest", "refused", "ended", "version", "reads")
	if err != nil {
		return p, m, err
	}
	first, err := parsePresence(strings.Join([]string{"cohub-presence/v1", lines[1], lines[2], lines[3], lines[4], lines[5], lines[9]}, "\n") + "\n")
	if err != nil {
		return p, m, err
	}
	hub, _, _ := strings.Cut(first.origin, "/")
	if first.origin != "" && first.origin != "-" && !isLane(first.origin, hub, first.center) {
		return p, m, fmt.Errorf("presence: lane %q", first.origin)
	}
	if count := length(first.version); count < 1 || count > 100 || oneLine(first.version) != first.version {
		return p, m, fmt.Errorf("presence: version %.60q", first.version)
	}
	m.oldest = -1
	if found["oldest"] != "-" {
		if m.oldest, err = parseNumber(found["oldest"]); err != nil {
			return p, m, err
		}
	}
	if m.refused, err = parseNumber(found["refused"]); err != nil && !wrong("refused_may_be_unknown") {
		return p, m, err
	}
	if m.ended, err = parseReason(found["ended"]); err != nil {
		return p, m, err
	}
	m.reads, err = parseForms(found["reads"])
	return first, m, err
}

// status is how HQ stands with a center.
type status struct {
	hub, center, lane, state, why, hqLane string
	time, since                           time.Time
	size, basis, rules                    int64
	reads                                 []string
}

var states = map[string]bool{"reads": true, "waits": true, "parked": true, "forked": true, "suspended": true, "closed": true}

func parseStatus(text string) (status, error) {
	var s status
	lines, err := textLines(text)
	if err != nil || len(lines) != 12 && !(len(lines) > 12 && wrong("status_of_any_length")) || lines[0] != "cohub-status/v1" {
		return s, fmt.Errorf("status: expected 12 lines, the first cohub-status/v1")
	}
	found, err := fields(lines[3:], "time", "lane", "size", "state", "since", "why", "basis", "rules", "reads")
	if err != nil {
		return s, err
	}
	s.hub, s.center, s.lane, s.state = lines[1], lines[2], found["lane"], found["state"]
	if !hubName.MatchString(s.hub) || !centerID.MatchString(s.center) || s.center == "hq" && !wrong("status_of_hq_taken") {
		return s, fmt.Errorf("status: %q, %q", s.hub, s.center)
	}
	if s.lane == "" && !wrong("status_of_an_empty_lane") {
		return s, fmt.Errorf("status: neither a lane nor -")
	}
	if s.lane == "-" {
		s.lane = ""
	}
	basis, hqLane, _ := strings.Cut(found["basis"], " ")
	s.hqLane = hqLane
	if s.lane != "" && !isLane(s.lane, s.hub, s.center) || !isLane(s.hqLane, s.hub, "hq") && !wrong("basis_of_any_lane") {
		return s, fmt.Errorf("status: lanes %q, %q", s.lane, s.hqLane)
	}
	if !states[s.state] && !wrong("status_in_any_state") {
		return s, fmt.Errorf("status: state %q", s.state)
	}
	for name, into := range map[string]*time.Time{"time": &s.time, "since": &s.since} {
		if *into, err = parseOwnTime(found[name]); err != nil {
			return s, err
		}
	}
	found["basis"] = basis
	for name, into := range map[string]*int64{"size": &s.size, "basis": &s.basis, "rules": &s.rules} {
		if *into, err = parseNumber(found[name]); err != nil {
			return s, err
		}
	}
	if s.rules < 1 && !wrong("rules_from_zero") || s.lane == "" && s.size != 0 && !wrong("size_without_a_lane") {
		return s, fmt.Errorf("status: rules %d, size %d of %q", s.rules, s.size, s.lane)
	}
	if s.why, err = parseReason(found["why"]); err != nil {
		return s, err
	}
	if s.why != "" && !causeForm.MatchString(s.why) && !wrong("why_in_any_words") {
		return s, fmt.Errorf("status: why %.60q", s.why)
	}
	s.reads, err = parseForms(found["reads"])
	return s, err
}

func checkSecondPresence(text string, said vector) error {
	p, m, err := parsePresenceV2(text)
	if err != nil || said == nil {
		return err
	}
	oldest := int64(-1)
	said.get("oldest", &oldest)
	return first(samePresence(p, said), same("oldest", m.oldest, oldest), same("refused", m.refused, said.num("refused")),
		same("ended", m.ended, said.str("ended")), same("reads", strings.Join(m.reads, " "), strings.Join(said.strs("reads"), " ")))
}

func samePresence(p presence, said vector) error {
	return first(same("center", p.center, said.str("center")), same("origin", p.origin, said.str("origin")),
		same("size", p.size, said.num("size")), same("backlog", p.backlog, said.num("backlog")),
		same("version", p.version, said.str("version")))
}

func checkStatus(_, v vector) error {
	n, _, err := openNote(v.bytes(), v.keys())
	if err != nil {
		return err
	}
	s, err := parseStatus(n.text)
	said := v.sub("content")
	if err != nil || said == nil {
		return err
	}
	return first(same("hub", s.hub, said.str("hub")), same("center", s.center, said.str("center")),
		same("lane", s.lane, said.str("lane")), same("size", s.size, said.num("size")), same("state", s.state, said.str("state")),
		same("why", s.why, said.str("why")), same("code", strings.SplitN(s.why, " ", 2)[0], said.str("code")), same("basis", s.basis, said.num("basis")), same("hq_lane", s.hqLane, said.str("hq_lane")),
		same("rules", s.rules, said.num("rules")), same("reads", strings.Join(s.reads, " "), strings.Join(said.strs("reads"), " ")))
}
