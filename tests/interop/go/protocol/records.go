package main

import (
	"bytes"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Records: PROTOCOL.md, section 3.

const (
	valueBytesMax     = 262_144
	attributeBytesMax = 1024
	contentType       = "application/avro;framing=confluent"
	sealHeader        = "cohub-seal"
	controlHeader     = "cohub-control"
	laneOpened        = "net.cohub.lane.opened.v1"
)

var required = []string{"ce_dataschema", "ce_epoch", "ce_id", "ce_sequence", "ce_source", "ce_specversion",
	"ce_subject", "ce_time", "ce_type", "content-type"}

var attribute = regexp.MustCompile(`^ce_[a-z0-9]{1,40}$`)

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

type header struct {
	name  string // its bytes
	value []byte // nil: null
}

type record struct {
	key     []byte
	headers []header
	value   []byte
}

func isSigned(name string) bool {
	if wrong("every_header_signed") {
		return true
	}
	return strings.HasPrefix(name, "ce_") || name == "content-type" && !wrong("content_type_not_signed")
}

func netstring(data []byte) string { return strconv.Itoa(len(data)) + ":" + string(data) + "," }

func (r record) signed() []header {
	var out []header
	for _, h := range r.headers {
		if isSigned(h.name) {
			out = append(out, h)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].name == out[j].name && wrong("repeated_headers_sorted_by_value") {
			return bytes.Compare(out[i].value, out[j].value) < 0
		}
		return out[i].name < out[j].name
	})
	if wrong("headers_as_they_came") {
		out = out[:0:0]
		for _, h := range r.headers {
			if isSigned(h.name) {
				out = append(out, h)
			}
		}
	}
	return out
}

func (r record) canonical() []byte {
	block := ""
	for _, h := range r.signed() {
		block += netstring([]byte(h.name))
		switch {
		case h.value != nil:
			block += netstring(h.value)
		case wrong("null_like_empty"):
			block += "0:,"
		default:
			block += "-"
		}
	}
	if wrong("netstring_counts_characters") {
		out := strconv.Itoa(utf8.RuneCountInString(block)) + ":" + block + ","
		return append([]byte(out), r.value...)
	}
	return append([]byte(netstring([]byte(block))), r.value...)
}

func (r record) digest() hash { return leafHash(r.canonical()) }

// get returns the value of the last header of this name, and whether there is one.
func (r record) get(name string) ([]byte, bool) {
	for i := len(r.headers) - 1; i >= 0; i-- {
		if r.headers[i].name == name {
			return r.headers[i].value, true
		}
	}
	return nil, false
}

// position returns epoch and sequence; without both a record is not attributable.
func (r record) position() (string, int64, bool) {
	epoch, _ := r.get("ce_epoch")
	text, _ := r.get("ce_sequence")
	form := epochForm
	if wrong("epoch_in_capitals_taken") {
		form = regexp.MustCompile(`^[0-9a-fA-F]{8}$`)
	}
	if !form.Match(epoch) || len(epoch) != 8 {
		return "", 0, false
	}
	sequence, err := parseNumber(string(text))
	if err != nil || sequence < 1 && !wrong("sequence_zero_taken") {
		return "", 0, false
	}
	return string(epoch), sequence, true
}

type verdict struct{ code, field string }

func (v verdict) Error() string { return v.code + " " + v.field }

func control(text string) bool {
	for _, c := range text {
		if c < 0x20 || c >= 0x7f && c <= 0x9f && !(wrong("c1_in_headers_taken") && c >= 0x80) && !(wrong("del_in_headers_taken") && c == 0x7f) {
			return true
		}
	}
	return false
}

type envelope struct {
	subject, typ, dataschema, id string
	time                         time.Time
}

// checkHeaders returns a record's attributes, or the verdict that its headers come to, in PROTOCOL.md's order.
func checkHeaders(r record, center string, rules int) (envelope, *verdict) {
	bad := func(field string) (envelope, *verdict) { return envelope{}, &verdict{"BAD_HEADERS", field} }
	signed := r.signed()
	text := map[string]string{}
	for i, h := range signed {
		if i > 0 && signed[i-1].name == h.name && !wrong("last_of_a_repeated_header_counts") &&
			!(wrong("repeated_header_taken_if_alike") && bytes.Equal(signed[i-1].value, h.value)) {
			return bad("")
		}
	}
	for _, h := range signed {
		if h.name != "content-type" && !attribute.MatchString(h.name) && !wrong("any_attribute_name") {
			if wrong("names_not_escaped") {
				return bad(h.name)
			}
			return bad(ascii(h.name))
		}
	}
	limit := func(value []byte) int {
		if wrong("header_limit_in_characters") {
			return utf8.RuneCount(value)
		}
		return len(value)
	}
	for _, h := range signed {
		if h.value == nil || limit(h.value) > attributeBytesMax || !utf8.Valid(h.value) && !wrong("headers_in_any_bytes") {
			return bad(h.name)
		}
		text[h.name] = string(h.value)
	}
	for _, h := range signed {
		if control(text[h.name]) {
			return bad(h.name)
		}
	}
	for _, name := range required {
		if _, found := text[name]; !found || text[name] == "" && !wrong("empty_headers_taken") {
			return bad(name)
		}
	}
	if text["ce_specversion"] != "1.0" && !wrong("any_specversion") {
		return bad("ce_specversion")
	}
	if text["content-type"] != contentType && !wrong("any_content_type") {
		return bad("content-type")
	}
	badID := rules >= 2 && !uuidForm.MatchString(text["ce_id"]) && !wrong("any_id_taken")
	if badID && !wrong("id_judged_last") {
		return bad("ce_id")
	}
	if text["ce_source"] != "/centers/"+center && !wrong("source_not_compared") {
		return envelope{}, &verdict{"WRONG_CENTER", "ce_source"}
	}
	subject := text["ce_subject"]
	form := entityID
	if wrong("entity_key_of_any_length") {
		form = regexp.MustCompile(`^([a-z0-9-]{1,63}):([!-~]+)$`)
	}
	if wrong("entity_key_in_any_letters") {
		form = regexp.MustCompile(`^([a-z0-9-]{1,63}):(.{1,120})$`)
	}
	parts := form.FindStringSubmatch(subject)
	if parts == nil {
		return bad("ce_subject")
	}
	if parts[1] != center {
		return envelope{}, &verdict{"WRONG_CENTER", "ce_subject"}
	}
	if rules == 1 && !bytes.Equal(r.key, []byte(subject)) && !wrong("kafka_key_not_compared") {
		return envelope{}, &verdict{"BAD_KEY", "ce_subject"}
	}
	if badID {
		return bad("ce_id")
	}
	moment, err := parseTime(text["ce_time"])
	if err != nil {
		return bad("ce_time")
	}
	return envelope{subject, text["ce_type"], text["ce_dataschema"], text["ce_id"], moment}, nil
}

// ascii returns a name as a receipt's line may say it: escaped beyond ASCII, and cut after 60 characters.
func ascii(name string) string {
	out, short := "", map[rune]string{'\n': `\n`, '\r': `\r`, '\t': `\t`, '\\': `\\`}
	for len(name) > 0 {
		c, size := utf8.DecodeRuneInString(name)
		switch {
		case short[c] != "":
			out += short[c]
		case c == utf8.RuneError && size == 1:
			out += fmt.Sprintf(`\udc%02x`, name[0])
		case c >= 0x20 && c < 0x7f:
			out += string(c)
		case c < 0x100:
			out += fmt.Sprintf(`\x%02x`, c)
		case c < 0x10000:
			out += fmt.Sprintf(`\u%04x`, c)
		default:
			out += fmt.Sprintf(`\U%08x`, c)
		}
		name = name[size:]
	}
	if wrong("field_of_any_length") {
		return out
	}
	return out[:min(60, len(out))]
}
