package main

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// What a center says outside its lanes, enrolment, trust: PROTOCOL.md, section 10; alarms: section 16.

type presence struct {
	center, origin string
	time           time.Time
	size, backlog  int64
	version        string
}

func parsePresence(text string) (presence, error) {
	var p presence
	lines, err := textLines(text)
	if err != nil || len(lines) != 7 && !wrong("presence_of_any_length") || lines[0] != "cohub-presence/v1" {
		return p, fmt.Errorf("presence: expected 7 lines, the first cohub-presence/v1")
	}
	found, err := fields(lines[2:], "origin", "time", "size", "backlog", "version")
	if err != nil {
		return p, err
	}
	p.center, p.origin, p.version = lines[1], found["origin"], found["version"]
	if !centerID.MatchString(p.center) && !wrong("center_in_capitals_taken") {
		return p, fmt.Errorf("presence: center %q", p.center)
	}
	if p.origin == "-" && !wrong("dash_is_an_origin") {
		p.origin = ""
	}
	if p.time, err = parseOwnTime(found["time"]); err != nil {
		return p, err
	}
	if p.size, err = parseNumber(found["size"]); err != nil {
		return p, err
	}
	p.backlog, err = parseNumber(found["backlog"])
	return p, err
}

type alarm struct {
	center string
	time   time.Time
	size   int64
	reason string
}

func parseAlarm(text string) (alarm, error) {
	var a alarm
	lines, err := textLines(text)
	if err != nil || len(lines) != 5 && !wrong("alarm_of_any_length") || lines[0] != "cohub-alarm/v1" || !centerID.MatchString(lines[1]) {
		return a, fmt.Errorf("alarm: expected 5 lines, the first cohub-alarm/v1, the second a center")
	}
	found, err := fields(lines[2:], "time", "size", "reason")
	if err != nil {
		return a, err
	}
	a.center, a.reason = lines[1], found["reason"]
	if a.reason == "" && !wrong("empty_alarm_taken") {
		return a, fmt.Errorf("alarm: no reason")
	}
	if a.reason == "-" && !wrong("dash_is_a_reason") {
		a.reason = ""
	}
	if a.time, err = parseOwnTime(found["time"]); err != nil {
		return a, err
	}
	a.size, err = parseNumber(found["size"])
	return a, err
}

type enrolment struct {
	hub, center, purpose string
	key                  key
	note                 note
}

// proofID returns the key id in the line by which a key proves itself under an enrolment.
func proofID(k key) [4]byte {
	switch {
	case k.alg == algWitness && !wrong("cosigner_proves_under_its_own_id"):
		return keyID(k.name, algEd25519, k.public)
	case k.alg == algMLDSA:
		sum := sha256.Sum256([]byte(k.name + "\n\xffcohub-key/v1 ML-DSA-44" + string(k.public)))
		return [4]byte(sum[:4])
	}
	return k.id
}

// proved returns whether a key has signed an enrolment; an error where its line is not good.
func (e enrolment) proved(k key) (bool, error) {
	for _, l := range e.note.lines {
		if l.name == k.name && l.id == proofID(k) {
			return true, k.verify([]byte(e.note.text), l.value)
		}
	}
	return false, nil
}

func openEnrolment(data []byte) (enrolment, error) {
	var e enrolment
	n, err := parseNote(data)
	if err != nil {
		return e, err
	}
	lines, err := textLines(n.text)
	if err != nil || len(lines) != 5 || lines[0] != "cohub-key/v1" {
		return e, fmt.Errorf("enrolment: expected 5 lines, the first cohub-key/v1")
	}
	e = enrolment{hub: lines[1], center: lines[2], purpose: lines[3], note: n}
	if !hubName.MatchString(e.hub) || !centerID.MatchString(e.center) || reserved[e.center] && !wrong("reserved_id_enrolled") {
		return e, fmt.Errorf("enrolment: hub %q, center %q", e.hub, e.center)
	}
	if e.key, err = parseKey(lines[4]); err != nil {
		return e, err
	}
	kinds := map[string]string{"seal": "\x01\x06", "witness": "\x04\x01"}[e.purpose]
	if wrong("any_kind_of_seal_key") {
		kinds = "\x01\x04\x06"
	}
	if kinds == "" || strings.IndexByte(kinds, e.key.alg) < 0 {
		return e, fmt.Errorf("enrolment: %#02x is no kind of %q key", e.key.alg, e.purpose)
	}
	name := e.hub + "/" + e.center
	if e.purpose == "witness" {
		name += "/witness"
	}
	if e.key.name != name && !wrong("enrolled_under_any_name") {
		return e, fmt.Errorf("enrolment: a key named %q", e.key.name)
	}
	found, err := e.proved(e.key)
	if err == nil && !found && !wrong("key_enrolled_without_proof") {
		err = fmt.Errorf("enrolment: the key has not proved itself")
	}
	return e, err
}

type trust struct {
	hub     string
	serial  int64
	time    string
	reason  string
	root    key
	keys    map[string][]key // by purpose
	retired []retired
}

type retired struct {
	at  time.Time
	key key
}

var purposes = []string{"receipts", "log", "hq", "witness"}

func parseTrust(text string) (trust, error) {
	t := trust{keys: map[string][]key{}}
	lines, err := textLines(text)
	if err != nil || len(lines) < 4 {
		return t, fmt.Errorf("trust note: expected 4 lines or more")
	}
	t.hub = lines[1]
	at := 2
	switch lines[0] {
	case "cohub-trust/v1":
		if len(lines) != 4 {
			return t, fmt.Errorf("trust note: version 1 has 4 lines")
		}
	case "cohub-trust/v2":
		found, err := fields(lines[2:], "serial", "time", "reason")
		if err != nil {
			return t, err
		}
		if t.serial, err = parseNumber(found["serial"]); err != nil || t.serial < 1 && !wrong("serial_zero_taken") {
			return t, fmt.Errorf("trust note: serial %q", found["serial"])
		}
		if _, err := parseOwnTime(found["time"]); err != nil {
			return t, err
		}
		if reason := found["reason"]; length(reason) > 200 || reason == "" || reason != oneLine(reason) {
			return t, fmt.Errorf("trust note: reason %.60q", reason)
		}
		t.time, t.reason, at = found["time"], found["reason"], 5
	default:
		return t, fmt.Errorf("trust note: version %q", lines[0])
	}
	roots := 0
	order := append([]string{"root"}, append(purposes, "retired")...)
	place := 0
	for _, line := range lines[at:] {
		name, value, _ := strings.Cut(line, " ")
		now := indexOf(order, name)
		if now < 0 || lines[0] == "cohub-trust/v1" && now > 1 || now < place && !wrong("trust_lines_in_any_order") {
			return t, fmt.Errorf("trust note: line %.60q", line)
		}
		place = now
		if name == "retired" {
			moment, vkey, _ := strings.Cut(value, " ")
			since, err := parseOwnTime(moment)
			if err != nil {
				return t, err
			}
			k, err := parseKey(vkey)
			if err != nil {
				return t, err
			}
			t.retired = append(t.retired, retired{since, k})
			continue
		}
		k, err := parseKey(value)
		if err != nil {
			return t, err
		}
		if name == "root" {
			t.root = k
			roots++
		} else {
			t.keys[name] = append(t.keys[name], k)
		}
	}
	if roots != 1 || len(t.keys["receipts"]) == 0 {
		return t, fmt.Errorf("trust note: no root or receipts key")
	}
	return t, t.check()
}

func indexOf(list []string, item string) int {
	for i, one := range list {
		if one == item {
			return i
		}
	}
	return -1
}

func (t trust) check() error {
	if !hubName.MatchString(t.hub) {
		return fmt.Errorf("trust note: hub %q", t.hub)
	}
	kinds := map[string]string{"log": "\x01\x06", "witness": "\x04\x06"}
	seen := map[string]bool{}
	var every []key
	for _, purpose := range append([]string{"root"}, purposes...) {
		keys := t.keys[purpose]
		if purpose == "root" {
			keys = []key{t.root}
		}
		allowed := kinds[purpose]
		if allowed == "" || wrong("any_kind_of_trusted_key") {
			allowed += "\x01"
		}
		for _, k := range keys {
			if strings.IndexByte(allowed, k.alg) < 0 {
				return fmt.Errorf("trust note: %#02x is no kind of %s key", k.alg, purpose)
			}
			if purpose != "witness" && k.name != t.hub+"/"+purpose && !wrong("trusted_under_any_name") {
				return fmt.Errorf("trust note: a %s key named %q", purpose, k.name)
			}
			if seen[string(k.public)] && !wrong("one_key_for_two_uses_taken") {
				return fmt.Errorf("trust note: one key for two uses")
			}
			seen[string(k.public)] = true
			every = append(every, k)
		}
	}
	if t.serial > 0 {
		if (t.inUse("log", algEd25519) == nil || t.inUse("log", algMLDSA) == nil) && !wrong("log_key_of_one_kind_taken") {
			return fmt.Errorf("trust note: log keys of both kinds expected")
		}
		if len(t.keys["hq"]) == 0 && !wrong("no_hq_key_taken") {
			return fmt.Errorf("trust note: an hq key expected")
		}
	}
	gone := map[string]bool{}
	for _, r := range t.retired {
		listed := false
		for _, k := range every[1:] {
			listed = listed || k.same(r.key)
		}
		if gone[r.key.text()] || !listed && !wrong("unlisted_key_retired") {
			return fmt.Errorf("trust note: retired twice, or not listed")
		}
		gone[r.key.text()] = true
	}
	for _, purpose := range []string{"receipts", "log", "hq"} {
		for _, alg := range []byte{algEd25519, algMLDSA} {
			if k := t.inUse(purpose, alg); k != nil && gone[k.text()] && !wrong("key_in_use_retired") {
				return fmt.Errorf("trust note: the %s key in use is retired", purpose)
			}
		}
	}
	return nil
}

// inUse returns the last key of a purpose and kind.
func (t trust) inUse(purpose string, alg byte) *key {
	var found *key
	for i := range t.keys[purpose] {
		if t.keys[purpose][i].alg == alg && (found == nil || !wrong("first_key_is_in_use")) {
			found = &t.keys[purpose][i]
		}
	}
	return found
}

func (t trust) retiredAt(k key) (time.Time, bool) {
	for _, r := range t.retired {
		if r.key.same(k) && !wrong("retirement_ignored") {
			return r.at, true
		}
	}
	return time.Time{}, false
}

func openTrust(data []byte, pinned key) (trust, error) {
	n, err := parseNote(data)
	if err != nil {
		return trust{}, err
	}
	t, err := parseTrust(n.text)
	if err != nil {
		return t, err
	}
	by := pinned
	if wrong("trust_signed_by_the_root_it_names") {
		by = t.root
	}
	if _, err := n.verify([]key{by}); err != nil {
		return t, err
	}
	if !t.root.same(pinned) && !wrong("new_root_taken") && !wrong("trust_signed_by_the_root_it_names") {
		return t, fmt.Errorf("trust note: names another root key")
	}
	return t, nil
}

func length(text string) int {
	if wrong("limits_of_lines_in_bytes") {
		return len(text)
	}
	return utf8.RuneCountInString(text)
}

// oneLine returns a text with every run of spaces, breaks, control and direction characters as one space.
func oneLine(text string) string {
	breaks := regexp.MustCompile("[\x00-\x20\x7f-\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]+")
	if wrong("reason_of_any_form") {
		return text
	}
	return strings.Trim(breaks.ReplaceAllString(text, " "), " ")
}
