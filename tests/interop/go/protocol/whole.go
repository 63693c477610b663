package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// What an event is refused for before its fields are read: PROTOCOL.md, section 8, 1 to 5.

// judged is what was read of a record on the way to its verdict.
type judged struct {
	envelope envelope
	kind     eventRules
	body     map[string]any
}

// judgeRecord returns the verdict on a record as it stands in a lane; before returns what HQ has of an entity.
func judgeRecord(number int64, r record, center string, now time.Time, basis []entityJSON, before func(stream, subject string) *entityJSON) (judged, verdict) {
	var read judged
	sized := func() *verdict {
		switch {
		case len(r.value) == 0:
			return &verdict{"NO_VALUE", ""}
		case len(r.value) > valueBytesMax && !wrong("value_of_any_length") || len(r.value) == valueBytesMax && wrong("value_at_its_limit_refused"):
			return &verdict{"TOO_LARGE", ""}
		}
		return nil
	}
	e, bad := checkHeaders(r, center, int(number))
	if v := sized(); v != nil && !(bad != nil && wrong("headers_before_the_value")) {
		return read, *v
	}
	if bad != nil {
		return read, *bad
	}
	kind, known := rules().Events[e.typ]
	read.envelope, read.kind = e, kind
	if !known && !wrong("schema_before_the_type") {
		return read, verdict{"UNKNOWN_TYPE", "ce_type"}
	}
	if _, sequence, _ := r.position(); e.typ == laneOpened && sequence != 1 {
		return read, verdict{"ILLEGAL_TRANSITION", ""}
	}
	var definition []byte
	for _, entity := range basis {
		if entity.Stream != "schema" || "urn:sha256:"+entity.Record["sha256"].(string) != e.dataschema {
			continue
		}
		typ := fmt.Sprintf("net.cohub.%s.%s.v%v", entity.Record["stream"], entity.Record["event"], entity.Record["version"])
		if typ == e.typ || wrong("schema_of_any_type") {
			definition = []byte(entity.Record["definition"].(string))
		}
	}
	if center == "hq" && !wrong("hq_needs_announcements") {
		if definition = schemaAt(kind.Schema); e.dataschema != fmt.Sprintf("urn:sha256:%x", sha256.Sum256(definition)) {
			definition = nil
		}
	}
	if definition == nil && wrong("released_schemas_are_announced") {
		definition = schemaAt(kind.Schema)
	}
	if definition == nil {
		return read, verdict{"UNKNOWN_SCHEMA", "ce_dataschema"}
	}
	s, err := parseSchema(definition)
	if err != nil {
		panic(err)
	}
	if e.time.Sub(now).Hours() > 24 && wrong("time_before_the_body") {
		return read, verdict{"TIME_IN_FUTURE", "ce_time"}
	}
	if len(r.value) < 5 || r.value[0] != 0 {
		return read, verdict{"BAD_VALUE", ""}
	}
	if binary.BigEndian.Uint32(r.value[1:5]) != s.id {
		if wrong("other_schema_is_a_bad_value") {
			return read, verdict{"BAD_VALUE", ""}
		}
		return read, verdict{"UNKNOWN_SCHEMA", ""}
	}
	body, err := s.decode(r.value)
	if err != nil {
		return read, verdict{"BAD_VALUE", ""}
	}
	read.body = valuesOf(body, s.parsed)
	return read, judge(number, e, center, read.body, before(kind.Stream, e.subject), now, basis)
}

func checkWhole(file, v vector, r record) error {
	if zeros := v.num("zeros"); zeros > 0 {
		r.value = make([]byte, zeros)
	}
	var basis []entityJSON
	file.get("basis", &basis)
	now, err := parseOwnTime(file.str("recorded_at"))
	if err != nil {
		return err
	}
	nothing := func(string, string) *entityJSON { return nil }
	var verdicts map[string][]string
	v.get("verdicts", &verdicts)
	var numbers []int64
	file.get("rules", &numbers)
	for _, number := range numbers {
		want := verdicts[fmt.Sprint(number)]
		_, said := judgeRecord(number, r, v.str("center"), now, basis, nothing)
		if err := same(fmt.Sprintf("verdict under rules %d", number), said, verdict{want[0], want[1]}); err != nil {
			return err
		}
	}
	return nil
}
