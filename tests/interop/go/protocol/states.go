package main

import (
	"fmt"
	"hash/crc32"
	"strconv"
)

// What HQ derives for everybody: PROTOCOL.md, section 12.

// checkPublished reads a record of hub.schemas or of state.<stream>.
func checkPublished(_, v vector) error {
	if v.str("topic") == "hub.schemas" {
		_, err := readSchema(v)
		return err
	}
	said, err := readState(v)
	if err != nil || v["content"] == nil {
		return err
	}
	center := said["center"].(string)
	return first(sameJSON(plainOf(said), v["content"]),
		same("partition", int64(crc32.ChecksumIEEE([]byte(center))%8), v.num("partition")))
}

// readSchema returns the schema that a record of hub.schemas has.
func readSchema(v vector) (schema, error) {
	var data []byte
	switch {
	case v.str("path") != "":
		data = schemaAt(v.str("path"))
	case string(v["value"]) != "null":
		data = v.hex("value")
	default:
		return schema{}, fmt.Errorf("no value")
	}
	s, err := parseSchema(data)
	if err != nil {
		return s, err
	}
	key := v.str("key")
	if n, err := strconv.ParseInt(key, 10, 64); wrong("schema_key_read_as_a_number") && err == nil {
		key = strconv.FormatInt(n, 10)
	}
	if n, err := strconv.ParseInt(key, 16, 64); wrong("schema_key_in_hex") && err == nil && n == int64(s.id) {
		return s, nil
	}
	if key != strconv.FormatInt(int64(s.id), 10) && !wrong("schema_key_not_compared") {
		return s, fmt.Errorf("the key is not the schema's id")
	}
	return s, nil
}

// readState returns what a record of state.<stream> says, by the schemas of the package.
func readState(v vector) (map[string]any, error) {
	r := recordOf(v)
	if r.value == nil {
		return nil, fmt.Errorf("no value")
	}
	if form, _ := r.get("content-type"); string(form) != contentType && !wrong("state_of_any_content_type") {
		return nil, fmt.Errorf("content type %q", form)
	}
	named, _ := r.get("cohub-schema")
	var found *schema
	for _, event := range rules().Events {
		if !event.Whole {
			continue
		}
		s, err := parseSchema(schemaAt(event.statePath()))
		if err != nil {
			return nil, err
		}
		if len(r.value) >= 5 && fmt.Sprintf("%08x", s.id) == fmt.Sprintf("%x", r.value[1:5]) {
			found = &s
		}
	}
	if found == nil {
		return nil, fmt.Errorf("a schema that nobody has said")
	}
	digest := string(named) == "urn:sha256:"+found.hex() || wrong("schema_header_not_compared") && len(named) > 0
	if !digest && !(wrong("schema_header_not_asked_for") && named == nil) && !(wrong("schema_header_without_urn_taken") && string(named) == found.hex()) {
		return nil, fmt.Errorf("the header names another schema")
	}
	said, err := found.decode(r.value)
	if err != nil {
		return nil, err
	}
	if said["id"] != string(r.key) && !wrong("state_key_not_compared") {
		return nil, fmt.Errorf("under another entity's key")
	}
	return said, nil
}

// stateCases are the sequences of records of state.<stream>.
func stateCases(file vector) []vcase {
	records := map[string]vector{}
	for _, kind := range []string{"good", "bad"} {
		for _, row := range file.rows(kind) {
			records[row.str("name")] = row
		}
	}
	var cases []vcase
	for _, v := range file.rows("sequences") {
		cases = append(cases, vcase{v.str("name"), func() error {
			held := map[string]any{}
			versions := map[string]int64{}
			for _, name := range v.strs("records") {
				row := records[name]
				if string(row["value"]) == "null" && wrong("state_without_a_value_deletes") {
					delete(held, row.str("key"))
				}
				said, err := readState(row)
				if err != nil {
					continue
				}
				id, version := said["id"].(string), said["version"].(int64)
				if version > versions[id] || wrong("older_state_counts") {
					versions[id] = version
					held[id] = []any{version, said["status"], said["changed_by"]}
				}
			}
			return sameJSON(held, v["outcome"])
		}})
	}
	return cases
}
