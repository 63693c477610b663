package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// What each side goes by of what the other says of itself: PROTOCOL.md, sections 9 and 10.

const (
	aheadMost = 5 * time.Minute
	freshFor  = 25 * time.Minute
)

// office is what a center's connector knows of how HQ stands with it.
type office struct {
	hub, center string
	trust       trust
	newest      *status
	counts      string // the newest note's name
	came        time.Time
}

// hear returns whether a note of out.<center> is acted on.
func (o *office) hear(name string, data []byte, at time.Time) bool {
	n, by, err := openNote(data, o.trust.keys["receipts"])
	if err != nil {
		return false
	}
	s, err := parseStatus(n.text)
	if err != nil {
		return false
	}
	if since, gone := o.trust.retiredAt(by); gone && !s.time.Before(since) && !wrong("retired_key_says_status") {
		return false
	}
	if s.hub != o.hub && !wrong("status_of_another_hub_taken") || s.center != o.center && !wrong("status_to_another_center_taken") {
		return false
	}
	ahead := s.time.Sub(at)
	if ahead > aheadMost && !wrong("status_from_the_future_taken") || ahead == aheadMost && wrong("status_ahead_by_the_limit_refused") {
		return false
	}
	isAhead := o.newest != nil && o.newest.time.Sub(at) > aheadMost && !wrong("status_ahead_counts_for_ever")
	if o.newest != nil && !isAhead {
		same := s.time.Equal(o.newest.time)
		if s.time.Before(o.newest.time) && !wrong("older_status_counts") || same && !wrong("second_status_of_a_moment_counts") {
			return false
		}
	}
	o.newest, o.counts, o.came = &s, name, at
	return true
}

func (o *office) stale(now time.Time) bool {
	if o.newest == nil || wrong("status_never_stale") {
		return false
	}
	age := now.Sub(o.newest.time)
	if wrong("status_stale_by_when_it_came") {
		age = now.Sub(o.came)
	}
	return age > freshFor || age == freshFor && wrong("stale_at_the_limit")
}

// form returns in which form the connector, which runs since a time, says presence.
func (o *office) form(started, now time.Time) string {
	reads := o.newest != nil && slices.Contains(o.newest.reads, "presence/v2")
	if o.newest != nil && wrong("form_known_by_its_beginning") {
		reads = slices.ContainsFunc(o.newest.reads, func(form string) bool { return len(form) > 10 && form[:11] == "presence/v2" })
	}
	if o.newest != nil && wrong("second_presence_to_whoever_says_status") {
		reads = true
	}
	since := o.newest != nil && (!o.came.Before(started) || wrong("second_presence_by_a_note_from_before"))
	if reads && since && (!o.stale(now) || wrong("second_presence_for_ever")) {
		return "presence/v2"
	}
	return "presence/v1"
}

// lost returns the first event that HQ has receipted and has no more, 0 for none.
func (o *office) lost(lane string, receipted int64, recordedAt time.Time) int64 {
	if o.newest == nil || !o.newest.time.After(recordedAt) && !wrong("older_status_takes_receipts_back") || wrong("receipts_never_taken_back") {
		return 0
	}
	size := o.newest.size
	if o.newest.lane != lane && !wrong("size_of_any_lane_compared") {
		size = 0
	}
	if size < receipted {
		return size + 1
	}
	return 0
}

func checkStanding(file, v vector) error {
	moment := func(of vector, name string) time.Time {
		t, err := parseOwnTime(of.str(name))
		if err != nil {
			panic(err)
		}
		return t
	}
	notes := file.pool("notes")
	if v.str("side") == "hq" {
		return checkHeard(file, v, notes, moment)
	}
	o := &office{hub: file.str("hub"), center: file.str("center"), trust: trust{keys: map[string][]key{"receipts": file.keys()}}}
	for _, row := range file.rows("retired") {
		k, err := parseKey(row.str("vkey"))
		if err != nil {
			return err
		}
		o.trust.retired = append(o.trust.retired, retired{moment(row, "time"), k})
	}
	acted := []bool{}
	for _, row := range v.rows("came") {
		acted = append(acted, o.hear(row.str("note"), notes[row.str("note")].bytes(), moment(row, "at")))
	}
	now := moment(v, "asked_at")
	said := map[string]any{"acted_on": acted, "counts": nil, "stale": o.stale(now), "presence": o.form(moment(v, "started"), now), "again_from": nil}
	if o.counts != "" {
		said["counts"] = o.counts
	}
	if string(v["receipted"]) != "null" {
		if first := o.lost(file.str("lane"), v.num("receipted"), moment(v, "recorded_at")); first > 0 {
			said["again_from"] = first
		}
	}
	return sameJSON(said, json.RawMessage(v["outcome"]))
}

// checkHeard says which presence of a center counts, after each that came.
func checkHeard(file, v vector, notes map[string]vector, moment func(vector, string) time.Time) error {
	seal, err := parseKey(file.str("seal"))
	if err != nil {
		return err
	}
	var newest time.Time // of those that were not ahead when they came
	ahead := map[int64]bool{}
	name, counts := "", []string{}
	for _, row := range v.rows("came") {
		n, _, err := openNote(notes[row.str("note")].bytes(), []key{seal})
		if err != nil {
			return err
		}
		p, err := parsePresence(n.text)
		if err != nil {
			p, _, err = parsePresenceV2(n.text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", row.str("note"), err)
		}
		isAhead := p.time.Sub(moment(row, "at")) > aheadMost && !wrong("presence_ahead_counts_for_ever")
		later := p.time.After(newest) || p.time.Equal(newest) && wrong("second_presence_of_a_moment_counts")
		again := ahead[p.time.UnixMicro()] && !wrong("presence_ahead_counts_again")
		if name == "" || later && !again || wrong("older_presence_counts") {
			name = row.str("note")
			if isAhead {
				ahead[p.time.UnixMicro()] = true
			} else {
				newest = p.time
			}
		}
		counts = append(counts, name)
	}
	return sameJSON(map[string]any{"counts": counts}, json.RawMessage(v["outcome"]))
}
