package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// entityJSON is an entity as a bundle and events.json have it.
type entityJSON struct {
	Stream, ID, Center, Status string
	Kind                       string
	Version                    int64
	Record                     map[string]any
	Changed                    map[string]any
}

// judge returns the verdict on an event whose headers and body are good.
func judge(number int64, e envelope, center string, body map[string]any, before *entityJSON, now time.Time, basis []entityJSON) verdict {
	file := rules()
	j := judging{file, file.Rules[fmt.Sprint(number)]}
	event, known := file.Events[e.typ]
	if !known {
		return verdict{"UNKNOWN_TYPE", "ce_type"}
	}
	ahead := e.time.Sub(now)
	if ahead > time.Duration(file.Limits.Ahead)*time.Second || wrong("time_at_its_limit_refused") && ahead == 24*time.Hour {
		return verdict{"TIME_IN_FUTURE", "ce_time"}
	}
	value := map[string]any{}
	for name, item := range body {
		value[name] = item
	}
	for _, r := range event.Fields {
		name := r.Name
		if _, there := value[name]; !there && r.Absent != nil {
			var absent any
			_ = json.Unmarshal(r.Absent, &absent)
			value[name] = absent
		}
		if v := j.field(name, r, value[name]); v != nil {
			return *v
		}
	}
	if v := j.crossed(event, value); v != nil {
		return *v
	}
	if key, says := event.Key.of(value); says && key != keyOf(e.subject) && !wrong("entity_key_not_compared") {
		return verdict{"INCONSISTENT", "ce_subject"}
	}
	if v := network(event, center, value, basis); v != nil {
		return *v
	}
	if before != nil && event.Whole && !wrong("growing_not_looked_at") {
		for _, name := range event.Growing {
			if value[name].(int64) <= int64(before.Record[name].(float64)) {
				return verdict{"INCONSISTENT", name}
			}
		}
	}
	return transition(j, event, center, value, before)
}

func network(e eventRules, center string, value map[string]any, basis []entityJSON) *verdict {
	centers := map[string]entityJSON{}
	lists := map[string][]string{}
	for _, entity := range basis {
		switch entity.Stream {
		case "center":
			centers[strings.TrimPrefix(entity.ID, "hq:")] = entity
		case "code_list":
			var codes []string
			for _, row := range entity.Record["codes"].([]any) {
				codes = append(codes, row.(map[string]any)["code"].(string))
			}
			lists[entity.Record["name"].(string)] = codes
		}
	}
	if e.Stream != "lane" {
		allowed := center == "hq" && e.Writer == "hq"
		if center != "hq" && e.Writer == "center" {
			streams, _ := centers[center].Record["streams"].([]any)
			allowed = slices.ContainsFunc(streams, func(s any) bool { return s == e.Stream })
		}
		if !allowed && !wrong("every_stream_is_allowed") {
			return &verdict{"STREAM_NOT_ALLOWED", ""}
		}
	}
	if !e.Whole {
		return nil
	}
	named := func(field, other string) *verdict {
		if slices.Contains(e.OfOthers, field) && other == center && !wrong("own_center_is_another") {
			return &verdict{"INCONSISTENT", field}
		}
		if _, found := centers[other]; other != center && !found && !wrong("unknown_centers_taken") {
			return &verdict{"UNKNOWN_CENTER", field}
		}
		return nil
	}
	for _, field := range e.Centers {
		if text, given := value[field].(string); given {
			if v := named(field, text); v != nil {
				return v
			}
		}
	}
	for _, row := range e.Entities {
		if text, given := value[row.Field].(string); given {
			if v := named(row.Field, strings.SplitN(text, ":", 2)[0]); v != nil {
				return v
			}
		}
	}
	for _, row := range e.Listed {
		field := row.Field
		listed, found := lists[row.List]
		if !found {
			continue
		}
		codes, _ := value[field].([]any)
		for n, code := range codes {
			if !slices.Contains(listed, code.(string)) && !wrong("codes_not_looked_up") {
				return &verdict{"CODE_NOT_LISTED", fmt.Sprintf("%s.%d", field, n)}
			}
		}
	}
	return nil
}

func transition(j judging, e eventRules, center string, value map[string]any, before *entityJSON) verdict {
	legal := slices.ContainsFunc(e.LegalIn, func(status *string) bool {
		return status == nil && before == nil || status != nil && before != nil && *status == before.Status
	})
	if legal || wrong("every_transition_legal") {
		return verdict{"ACCEPTED", ""}
	}
	if before == nil {
		return verdict{"UNKNOWN_ENTITY", ""}
	}
	if j.set.Repeats && saysAgain(e, center, value, before) {
		return verdict{"ALREADY_SAID", ""}
	}
	if slices.Contains(e.LegalIn, nil) && !wrong("existing_is_an_illegal_transition") {
		return verdict{"ALREADY_EXISTS", ""}
	}
	return verdict{"ILLEGAL_TRANSITION", ""}
}

func saysAgain(e eventRules, center string, value map[string]any, before *entityJSON) bool {
	if before.Center != center || e.After == nil || *e.After != before.Status {
		return false
	}
	if wrong("said_again_whatever_it_says") {
		return true
	}
	if !e.Whole {
		return before.Changed == nil || wrong("reason_said_again_is_not_compared") || sameAs(value, before.Changed)
	}
	return sameAs(value, before.Record)
}

// sameAs compares a decoded record with one in JSON; what one of them lacks is as if left open.
func sameAs(value, said map[string]any) bool {
	names := map[string]bool{}
	for name := range value {
		names[name] = true
	}
	for name := range said {
		names[name] = true
	}
	for name := range names {
		if one, other := textOf(value[name]), textOf(said[name]); one != other {
			return false
		}
	}
	return true
}

// textOf writes a value in the one form that it has in an entity.
func textOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "[]"
	case *big.Rat:
		text := v.FloatString(12)
		return fmt.Sprintf("%q", strings.TrimRight(strings.TrimRight(text, "0"), "."))
	case []any:
		parts := []string{}
		for _, item := range v {
			parts = append(parts, textOf(item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case day:
		return fmt.Sprintf("%q", time.Unix(int64(v)*86400, 0).UTC().Format("2006-01-02"))
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// day is a number of days since 1970-01-01.
type day int64

func checkEvent(file, v vector) error {
	r := recordOf(v)
	subject, _ := r.get("ce_subject")
	r.key = subject
	if string(v["content"]) == "null" {
		return checkWhole(file, v, r)
	}
	definition := schemaAt(v.str("schema"))
	s, err := parseSchema(definition)
	if err != nil {
		return err
	}
	body, err := s.decode(r.value)
	if err != nil {
		return err
	}
	if err := sameJSON(plainOf(body), v["content"]); err != nil {
		return err
	}
	now, err := parseOwnTime(file.str("recorded_at"))
	if err != nil {
		return err
	}
	var before *entityJSON
	v.get("before", &before)
	var basis []entityJSON
	file.get("basis", &basis)
	var verdicts map[string][]string
	v.get("verdicts", &verdicts)
	var numbers []int64
	file.get("rules", &numbers)
	for _, number := range numbers {
		e, bad := checkHeaders(r, v.str("center"), int(number))
		said := verdict{}
		if bad != nil {
			said = *bad
		} else if dataschema := "urn:sha256:" + s.hex(); e.dataschema != dataschema {
			return fmt.Errorf("the headers name another schema")
		} else {
			said = judge(number, e, v.str("center"), valuesOf(body, s.parsed), before, now, basis)
		}
		want := verdicts[fmt.Sprint(number)]
		if err := same(fmt.Sprintf("verdict under rules %d", number), said, verdict{want[0], want[1]}); err != nil {
			return err
		}
	}
	return nil
}

// valuesOf gives decimals their places.
func valuesOf(body map[string]any, declared any) map[string]any {
	out := map[string]any{}
	for _, f := range declared.(map[string]any)["fields"].([]any) {
		field := f.(map[string]any)
		name := field["name"].(string)
		out[name] = valueOf(body[name], field["type"])
	}
	return out
}

func valueOf(value, declared any) any {
	if n, is := value.(*big.Int); is {
		places, _ := placesOf(declared).Int64()
		return new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(places), nil))
	}
	if n, is := value.(int64); is && isDate(declared) {
		return day(n)
	}
	return value
}

func placesOf(declared any) json.Number {
	switch d := declared.(type) {
	case []any:
		for _, branch := range d {
			if found := placesOf(branch); found != "" {
				return found
			}
		}
	case map[string]any:
		if scale, found := d["scale"].(json.Number); found {
			return scale
		}
	}
	return ""
}

func isDate(declared any) bool {
	switch d := declared.(type) {
	case []any:
		return slices.ContainsFunc(d, isDate)
	case map[string]any:
		return d["logicalType"] == "date"
	}
	return false
}
