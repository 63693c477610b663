package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"sort"
	"strings"
	"time"
)

// Judging again: PROTOCOL.md, sections 8, 11 and 17. What receipts cover gives HQ's lane, by which everything is judged,
// the verdicts, and the entities.

// part is what one receipt covers, as far as it is at hand: canonical bytes and Kafka keys by sequence.
type part struct {
	center  string
	receipt receipt
	events  map[int64][]byte
	keys    map[int64][]byte // where they are not the subjects
}

// correction is what HQ said of its clock, in its lane at this size.
type correction struct {
	size         int64
	since, until time.Time
}

func (c correction) takesBack(moment time.Time) bool {
	return moment.After(c.since) && (!moment.After(c.until) || wrong("correction_without_end"))
}

// goesBack returns whether a center's times go back, and not to HQ's correction of its clock.
func goesBack(before time.Time, basis int64, after time.Time, c *correction) bool {
	if !after.Before(before) || wrong("times_may_go_back") {
		return false
	}
	if c == nil || wrong("corrections_passed_over") {
		return true
	}
	once := basis < c.size || wrong("corrected_as_often_as_one_likes")
	return !(once && c.takesBack(before) && (!after.Before(c.since) || wrong("corrected_back_to_any_time")))
}

// story is what judging again has come to.
type story struct {
	entities    map[string]entityJSON // by stream and id
	documents   map[string]string     // each in its one form
	bases       map[int64][]entityJSON
	left        map[int64]time.Time // when HQ's lane went on from a size
	corrections []correction
	size        int64 // of HQ's lane
}

func judgeAgain(parts []part) (*story, error) {
	s := &story{entities: map[string]entityJSON{}, documents: map[string]string{}, bases: map[int64][]entityJSON{0: {}}, left: map[int64]time.Time{}}
	for _, own := range []bool{true, false} {
		newest := map[string]receipt{} // by center
		lanes := map[string][]receipt{}
		for _, p := range parts {
			if (p.center == "hq") != own {
				continue
			}
			if err := s.follows(p, newest[p.center], lanes[p.receipt.origin]); err != nil {
				return s, err
			}
			newest[p.center] = p.receipt
			lanes[p.receipt.origin] = append(lanes[p.receipt.origin], p.receipt)
			if err := s.take(p); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// follows checks a receipt's place, time and basis; before is the center's last one, lane those of the same lane.
func (s *story) follows(p part, before receipt, lane []receipt) error {
	said := p.receipt
	at := fmt.Sprintf("%s at %d", said.origin, said.first)
	if len(lane) > 0 && said.first <= lane[len(lane)-1].last && !wrong("receipts_may_overlap") {
		return fmt.Errorf("%s: covered by two receipts", at)
	}
	if p.center == "hq" {
		if (said.first != s.size+1 || said.basis != s.size) && !wrong("basis_of_hq_not_compared") {
			return fmt.Errorf("%s: judged under %d", at, said.basis)
		}
		s.left[s.size] = said.recordedAt
	}
	beyond := said.basis > s.size && wrong("basis_beyond_the_hq_lane_taken")
	if _, known := s.bases[said.basis]; !known && !beyond && !wrong("any_basis_taken") {
		return fmt.Errorf("%s: no basis %d", at, said.basis)
	}
	var inForce *correction
	for i := range s.corrections {
		if s.corrections[i].size <= said.basis {
			inForce = &s.corrections[i]
		}
	}
	apart := wrong("times_compared_in_a_lane_alone") && before.origin != said.origin
	if before.origin != "" && goesBack(before.recordedAt, before.basis, said.recordedAt, inForce) && !apart {
		return fmt.Errorf("%s: recorded before what stands in front of it", at)
	}
	left, gone := s.left[said.basis]
	if p.center == "hq" || !gone || said.recordedAt.Sub(left) <= 10*time.Minute || wrong("basis_of_any_age") {
		return nil
	}
	for _, c := range s.corrections {
		earlier := slices.ContainsFunc(lane, func(r receipt) bool { return r.basis >= c.size })
		if c.size > said.basis && c.takesBack(said.recordedAt) && !earlier && !wrong("age_of_a_basis_by_times_taken_back") {
			return nil
		}
	}
	return fmt.Errorf("%s: basis %d was left long before", at, said.basis)
}

func rulesOf(basis []entityJSON) int64 {
	for _, entity := range basis {
		if entity.Stream == "rules" && !wrong("rules_1_for_ever") {
			return int64(entity.Record["number"].(float64))
		}
	}
	return 1
}

// take judges what a receipt covers, compares it with what HQ signed, and folds what was accepted.
func (s *story) take(p part) error {
	under, number := s.bases[p.receipt.basis], int64(0)
	if _, known := s.bases[p.receipt.basis]; !known || wrong("judged_by_hq_s_last_word") && p.center != "hq" {
		under = s.bases[s.size]
	}
	if number = rulesOf(under); rules().Rules[fmt.Sprint(number)].Number == 0 {
		if !wrong("newer_is_proved") {
			return errNewer
		}
		number = 2
	}
	folded := []string{}
	for _, sequence := range slices.Sorted(maps.Keys(p.events)) {
		r, good := splitCanonical(p.events[sequence])
		epoch, place, found := r.position()
		if !good || !found || place != sequence || !strings.HasSuffix(p.receipt.origin, "/"+epoch) {
			return fmt.Errorf("%s at %d: an event of another place", p.receipt.origin, sequence)
		}
		r.key, _ = r.get("ce_subject")
		if key, aside := p.keys[sequence]; aside {
			r.key = key
		}
		if p.center == "hq" && wrong("batch_of_hq_by_its_own_words") {
			under = s.hq()
			number = rulesOf(under)
		}
		signed := verdict{"ACCEPTED", ""}
		for _, line := range p.receipt.decisions {
			if line.sequence == sequence {
				signed = verdict{line.code, line.field}
			}
		}
		read, said := judgeRecord(number, r, p.center, p.receipt.recordedAt, under, s.before)
		if p.center == "hq" && said.code == "UNKNOWN_TYPE" && signed.code == "ACCEPTED" {
			return errNewer
		}
		if err := agree(said, signed); err != nil {
			return fmt.Errorf("%s at %d: %w", p.receipt.origin, sequence, err)
		}
		if signed.code == "ACCEPTED" || wrong("rejected_events_folded") && read.body != nil {
			folded = append(folded, s.fold(read, p.center))
		}
	}
	if p.center != "hq" {
		return nil
	}
	s.size = p.receipt.last
	s.bases[s.size] = s.hq()
	for _, place := range folded {
		if entity := s.entities[place]; entity.Stream == "clock" {
			since, err1 := parseTime(entity.Record["since"].(string))
			until, err2 := parseTime(entity.Record["ahead_until"].(string))
			if err := first(err1, err2); err != nil {
				return err
			}
			s.corrections = append(s.corrections, correction{s.size, since, until})
		}
	}
	return nil
}

// agree compares a verdict with the one that HQ signed; its parameters are for people.
func agree(said, signed verdict) error {
	if wrong("verdicts_not_judged_again") || wrong("only_acceptance_judged_again") && (said.code == "ACCEPTED") == (signed.code == "ACCEPTED") {
		return nil
	}
	if wrong("fields_of_verdicts_not_compared") {
		said.field = signed.field
	}
	return same("verdict", said, signed)
}

// hq returns the entities of HQ's own lane as they are now.
func (s *story) hq() []entityJSON {
	out := []entityJSON{}
	for _, place := range slices.Sorted(maps.Keys(s.entities)) {
		if entity := s.entities[place]; entity.Center == "hq" {
			out = append(out, entity)
		}
	}
	return out
}

func (s *story) before(stream, subject string) *entityJSON {
	if entity, found := s.entities[stream+" "+subject]; found {
		return &entity
	}
	return nil
}

// fold makes of an entity what an accepted event says of it, and returns where it stands.
func (s *story) fold(read judged, center string) string {
	place := read.kind.Stream + " " + read.envelope.subject
	after := map[string]any{"stream": read.kind.Stream, "id": read.envelope.subject, "center": center, "version": int64(1),
		"kind": read.envelope.typ, "record": read.body, "changed": nil}
	if before := s.before(read.kind.Stream, read.envelope.subject); before != nil {
		after["version"], after["status"] = before.Version+1, before.Status
		if !read.kind.Whole {
			after["record"], after["changed"] = before.Record, read.body
			if !wrong("kind_of_the_newest_event") {
				after["kind"] = before.Kind
			}
		} else if wrong("change_kept_behind_a_record") && before.Changed != nil {
			after["changed"] = before.Changed
		}
	}
	if read.kind.After != nil {
		after["status"] = *read.kind.After
	}
	document := oneForm(after)
	var entity entityJSON
	if err := json.Unmarshal([]byte(document), &entity); err != nil {
		panic(err)
	}
	s.entities[place], s.documents[place] = entity, document
	return place
}

// oneForm writes a value as RFC 8785 does, decimals and days as texts.
func oneForm(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case int64:
		return fmt.Sprint(v)
	case float64: // a whole number, read from JSON
		return fmt.Sprintf("%.0f", v)
	case string:
		return jsonText(v)
	case day:
		return jsonText(time.Unix(int64(v)*86400, 0).UTC().Format("2006-01-02"))
	case *big.Rat:
		text := v.FloatString(12)
		if wrong("decimals_with_zeros_behind") {
			return jsonText(v.FloatString(4))
		}
		return jsonText(strings.TrimRight(strings.TrimRight(text, "0"), "."))
	case []any:
		items := []string{}
		for _, item := range v {
			items = append(items, oneForm(item))
		}
		return "[" + strings.Join(items, ",") + "]"
	case map[string]any:
		items := []string{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			items = append(items, jsonText(name)+":"+oneForm(v[name]))
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	panic(fmt.Sprintf("a value %T", value))
}

func checkJudged(file, v vector) error {
	receipts, events := file.pool("receipts"), map[string]string{}
	file.get("events", &events)
	var parts []part
	for _, name := range v.strs("receipts") {
		said, err := parseReceipt(receipts[name].str("text"))
		if err != nil {
			return err
		}
		p := part{center: strings.Split(said.origin, "/")[1], receipt: said, events: map[int64][]byte{}}
		for _, place := range receipts[name].strs("events") {
			data, err := hex.DecodeString(events[place])
			sequence, err2 := parseNumber(place[strings.LastIndex(place, "/")+1:])
			if err := first(err, err2); err != nil {
				return err
			}
			p.events[sequence] = data
		}
		parts = append(parts, p)
	}
	s, err := judgeAgain(parts)
	if m, differs := err.(mismatch); differs {
		return errors.New(string(m)) // the vector is refused, and not read otherwise
	}
	if err != nil || v["entities"] == nil {
		return err
	}
	found := []string{}
	for place, document := range s.documents {
		if !strings.HasPrefix(place, "schema ") {
			found = append(found, document)
		}
	}
	sort.Strings(found)
	return same("entities", found, v.strs("entities"))
}
