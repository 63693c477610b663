package main

import (
	"encoding/binary"
	"fmt"
)

// What an event is refused for before its fields are read: PROTOCOL.md, section 8, 1 to 5.

// judgeWhole returns the verdict on a record of which nothing is known.
func judgeWhole(number int64, r record, center string, file vector) verdict {
	var basis []entityJSON
	file.get("basis", &basis)
	now, err := parseOwnTime(file.str("recorded_at"))
	if err != nil {
		panic(err)
	}
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
		return *v
	}
	if bad != nil {
		return *bad
	}
	kind, known := rules().Events[e.typ]
	if !known && !wrong("schema_before_the_type") {
		return verdict{"UNKNOWN_TYPE", "ce_type"}
	}
	if _, sequence, _ := r.position(); e.typ == laneOpened && sequence != 1 {
		return verdict{"ILLEGAL_TRANSITION", ""}
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
	if definition == nil && wrong("released_schemas_are_announced") {
		definition = schemaAt(kind.Schema)
	}
	if definition == nil {
		return verdict{"UNKNOWN_SCHEMA", "ce_dataschema"}
	}
	s, err := parseSchema(definition)
	if err != nil {
		panic(err)
	}
	if e.time.Sub(now).Hours() > 24 && wrong("time_before_the_body") {
		return verdict{"TIME_IN_FUTURE", "ce_time"}
	}
	if len(r.value) < 5 || r.value[0] != 0 {
		return verdict{"BAD_VALUE", ""}
	}
	if binary.BigEndian.Uint32(r.value[1:5]) != s.id {
		if wrong("other_schema_is_a_bad_value") {
			return verdict{"BAD_VALUE", ""}
		}
		return verdict{"UNKNOWN_SCHEMA", ""}
	}
	body, err := s.decode(r.value)
	if err != nil {
		return verdict{"BAD_VALUE", ""}
	}
	return judge(number, e, center, valuesOf(body, s.parsed), nil, now, basis)
}

func checkWhole(file, v vector, r record) error {
	if zeros := v.num("zeros"); zeros > 0 {
		r.value = make([]byte, zeros)
	}
	var verdicts map[string][]string
	v.get("verdicts", &verdicts)
	var numbers []int64
	file.get("rules", &numbers)
	for _, number := range numbers {
		want := verdicts[fmt.Sprint(number)]
		said := judgeWhole(number, r, v.str("center"), file)
		if err := same(fmt.Sprintf("verdict under rules %d", number), said, verdict{want[0], want[1]}); err != nil {
			return err
		}
	}
	return nil
}
