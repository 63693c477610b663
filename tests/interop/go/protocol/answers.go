package main

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// What HQ answers: PROTOCOL.md, sections 8 and 9.

var codeForm = regexp.MustCompile(`^[A-Z][A-Z_]{0,39}$`)

type decision struct {
	sequence            int64
	code, field, params string
}

type receipt struct {
	origin      string
	first, last int64
	root        hash
	recordedAt  time.Time
	basis       int64
	decisions   []decision
}

// checkClock returns an error where a lane's times go back by a step that is not allowed.
func checkClock(_, v vector) error {
	moment := func(of vector, name string) time.Time {
		t, err := parseOwnTime(of.str(name))
		if err != nil {
			panic(err)
		}
		return t
	}
	one, next := v.sub("before"), v.sub("after")
	before, after := moment(one, "recorded_at"), moment(next, "recorded_at")
	var known *correction
	if said := v.sub("correction"); said != nil {
		known = &correction{said.num("basis"), moment(said, "since"), moment(said, "ahead_until")}
	}
	if !goesBack(before, one.num("basis"), after, known) {
		return nil
	}
	return fmt.Errorf("recorded_at goes back")
}

// refuses returns whether the receipt says that an event was not accepted.
func (r receipt) refuses(sequence int64) bool {
	for _, d := range r.decisions {
		if d.sequence == sequence {
			return true
		}
	}
	return false
}

func parseReceipt(text string) (receipt, error) {
	var r receipt
	lines, err := textLines(text)
	if err != nil || len(lines) < 7 || lines[0] != "cohub-receipt/v1" && !wrong("receipt_of_any_version") {
		return r, fmt.Errorf("receipt: expected 7 lines or more, the first cohub-receipt/v1")
	}
	found, err := fields(lines[2:], "from", "to", "root", "recorded_at", "basis")
	if err != nil {
		return r, err
	}
	r.origin = lines[1]
	var errs [5]error
	r.first, errs[0] = parseNumber(found["from"])
	r.last, errs[1] = parseNumber(found["to"])
	r.basis, errs[2] = parseNumber(found["basis"])
	r.recordedAt, errs[3] = parseOwnTime(found["recorded_at"])
	raw, err := unbase64(found["root"])
	if err == nil {
		r.root, err = parseHash(raw)
	}
	errs[4] = err
	for _, err := range errs {
		if err != nil {
			return r, err
		}
	}
	if r.first < 1 || r.last < r.first && !wrong("receipt_backwards_taken") {
		return r, fmt.Errorf("receipt: from %d to %d", r.first, r.last)
	}
	last := r.first - 1
	for _, line := range lines[7:] {
		d, err := parseDecision(line)
		if err != nil {
			return r, err
		}
		if d.sequence == last && wrong("decision_twice_taken") {
			last--
		}
		if d.sequence <= last && !wrong("decisions_in_any_order") || d.sequence < r.first || d.sequence > r.last && !wrong("decision_outside_taken") {
			return r, fmt.Errorf("receipt: line of %d out of order", d.sequence)
		}
		last = d.sequence
		r.decisions = append(r.decisions, d)
	}
	return r, nil
}

func parseDecision(line string) (decision, error) {
	var d decision
	parts := strings.SplitN(line, " ", 4)
	if wrong("parameters_without_spaces") {
		parts = strings.Split(line, " ")
	}
	if len(parts) < 3 || !codeForm.MatchString(parts[1]) || parts[2] == "" {
		return d, fmt.Errorf("receipt line %.80q", line)
	}
	var err error
	if d.sequence, err = parseNumber(parts[0]); err != nil {
		return d, err
	}
	d.code, d.field = parts[1], parts[2]
	if d.field == "-" {
		d.field = ""
	}
	if len(parts) > 3 {
		d.params = parts[3]
	}
	return d, nil
}

func (r receipt) text() string {
	out := fmt.Sprintf("cohub-receipt/v1\n%s\nfrom %d\nto %d\nroot %s\nrecorded_at %s\nbasis %d\n", r.origin, r.first,
		r.last, base64.StdEncoding.EncodeToString(r.root[:]), r.recordedAt.Format(ownForm), r.basis)
	for _, d := range r.decisions {
		field := d.field
		if field == "" {
			field = "-"
		}
		out += strings.TrimRight(fmt.Sprintf("%d %s %s %s", d.sequence, d.code, field, d.params), " ") + "\n"
	}
	return out
}

type resend struct {
	origin string
	first  int64
	reason string
}

func parseResend(text string) (resend, error) {
	var r resend
	lines, err := textLines(text)
	if err != nil || len(lines) != 4 && !wrong("resend_of_any_length") || lines[0] != "cohub-resend/v1" {
		return r, fmt.Errorf("resend request: expected 4 lines, the first cohub-resend/v1")
	}
	found, err := fields(lines[2:], "from", "reason")
	if err != nil {
		return r, err
	}
	r.origin, r.reason = lines[1], found["reason"]
	r.first, err = parseNumber(found["from"])
	if err == nil && r.first < 1 && !wrong("resend_from_zero_taken") {
		err = fmt.Errorf("resend request: sequences begin at 1")
	}
	return r, err
}
