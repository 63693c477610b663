package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// HQ's answers to join requests: PROTOCOL.md, section 18.

type answer struct {
	hub, center, invitation, request, state, why string
	time                                         time.Time
}

var (
	invitationForm = regexp.MustCompile(`^[0-9a-f]{8}$`)
	digestForm     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	anyHex         = regexp.MustCompile(`^[0-9a-f]+$`)
	refusalCodes   = []string{"EXPIRED", "WITHDRAWN", "CONTESTED", "USED", "OTHER_ROOT", "UNREADABLE"}
)

func parseAnswer(text string) (answer, error) {
	var a answer
	lines, err := textLines(text)
	if err != nil || len(lines) < 8 || len(lines) > 8 && !wrong("answer_of_any_length") {
		return a, fmt.Errorf("answer: expected 8 lines")
	}
	if lines[0] != "cohub-joined/v1" && !wrong("answer_of_any_version") {
		return a, fmt.Errorf("answer: first line %.60q", lines[0])
	}
	a.hub, a.center = lines[1], lines[2]
	if !hubName.MatchString(a.hub) || !centerID.MatchString(a.center) || reserved[a.center] && !wrong("answer_to_a_reserved_id") {
		return a, fmt.Errorf("answer: hub %q, center %q", a.hub, a.center)
	}
	found, err := fields(lines[3:], "invitation", "request", "time", "state", "why")
	if err != nil {
		return a, err
	}
	a.invitation, a.request, a.state, a.why = found["invitation"], found["request"], found["state"], found["why"]
	ids, digests := invitationForm, digestForm
	if wrong("answer_to_an_invitation_of_any_length") {
		ids = anyHex
	}
	if wrong("answer_to_a_request_of_any_length") {
		digests = anyHex
	}
	if !ids.MatchString(a.invitation) || !digests.MatchString(a.request) {
		return a, fmt.Errorf("answer: invitation %q, request %q", a.invitation, a.request)
	}
	if a.time, err = parseOwnTime(found["time"]); err != nil {
		return a, err
	}
	return a.judged()
}

// judged returns the answer if its state and its code go together.
func (a answer) judged() (answer, error) {
	if !slices.Contains([]string{"waits", "accepted", "refused"}, a.state) && !wrong("answer_of_any_state") {
		return a, fmt.Errorf("answer: state %q", a.state)
	}
	refused := a.state == "refused"
	if a.why == "-" {
		a.why = ""
		if refused && !wrong("answer_refuses_for_nothing") {
			return a, fmt.Errorf("answer: refused for nothing")
		}
		return a, nil
	}
	if !refused && !wrong("answer_accepts_with_a_reason") {
		return a, fmt.Errorf("answer: %s for %q", a.state, a.why)
	}
	code := a.why
	if wrong("answer_codes_in_any_letters") {
		code = strings.ToUpper(code)
	}
	if !codeForm.MatchString(code) || wrong("answer_by_known_codes_alone") && !slices.Contains(refusalCodes, code) {
		return a, fmt.Errorf("answer: why %q", a.why)
	}
	return a, nil
}

func checkAnswer(_, v vector) error {
	n, err := parseNote(v.bytes())
	if err != nil {
		return err
	}
	a, err := parseAnswer(n.text)
	if err != nil {
		return err
	}
	var keys []key
	for _, k := range v.keys() {
		if k.name == a.hub+"/hq" {
			keys = append(keys, k)
		}
	}
	if _, err := n.verify(keys); err != nil {
		return err
	}
	said := v.sub("content")
	return first(same("invitation", a.invitation, said.str("invitation")), same("request", a.request, said.str("request")),
		same("state", a.state, said.str("state")), same("why", a.why, said.str("why")))
}
