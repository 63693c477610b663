package main

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Signed notes: PROTOCOL.md, section 2.

const noteBytesMax, signaturesMax = 1_000_000, 16

type line struct {
	name  string
	id    [4]byte
	value []byte
}

type note struct {
	text  string
	lines []line
}

func (n note) bytes() []byte {
	out := n.text + "\n"
	for _, l := range n.lines {
		out += "— " + l.name + " " + base64.StdEncoding.EncodeToString(append(l.id[:], l.value...)) + "\n"
	}
	return []byte(out)
}

func parseNote(data []byte) (note, error) {
	if len(data) > noteBytesMax && !wrong("note_of_any_length") {
		return note{}, fmt.Errorf("note of %d bytes", len(data))
	}
	if !utf8.Valid(data) {
		return note{}, fmt.Errorf("note: not UTF-8")
	}
	lowest, c1 := rune(0x20), false
	if wrong("note_with_control_characters") {
		lowest = 0
	}
	if wrong("note_without_del_and_c1") {
		c1 = true
	}
	for _, c := range string(data) {
		if c < lowest && c != '\n' || c1 && c >= 0x7f && c <= 0x9f {
			return note{}, fmt.Errorf("note: control character %#02x", c)
		}
	}
	whole := string(data)
	at := strings.LastIndex(whole, "\n\n")
	if wrong("first_empty_line_divides") {
		at = strings.Index(whole, "\n\n")
	}
	if at < 0 || !strings.HasSuffix(whole, "\n") || at+2 == len(whole) {
		return note{}, fmt.Errorf("note: no text, empty line and signature lines")
	}
	var lines []line
	for _, text := range strings.Split(whole[at+2:len(whole)-1], "\n") {
		l, err := parseLine(text)
		if err != nil {
			return note{}, err
		}
		lines = append(lines, l)
	}
	if len(lines) > signaturesMax && !wrong("hundred_signatures") {
		return note{}, fmt.Errorf("note: %d signatures", len(lines))
	}
	return note{whole[:at+1], lines}, nil
}

func parseLine(text string) (line, error) {
	rest, found := strings.CutPrefix(text, "— ")
	name, encoded, two := strings.Cut(rest, " ")
	if !found || !two {
		return line{}, fmt.Errorf("signature line %.60q", text)
	}
	raw, err := unbase64(encoded)
	if err != nil || len(raw) < 5 {
		return line{}, fmt.Errorf("signature line %.60q: no key id and signature", text)
	}
	if err := checkName(name); err != nil {
		return line{}, err
	}
	l := line{name: name, value: raw[4:]}
	copy(l.id[:], raw)
	return l, nil
}

func (n note) lineOf(k key) *line {
	for i := range n.lines {
		at := i
		if wrong("last_line_of_a_key_counts") {
			at = len(n.lines) - 1 - i
		}
		l := &n.lines[at]
		if (l.name == k.name || wrong("lines_found_by_id_alone")) && l.id == k.id {
			return l
		}
	}
	return nil
}

// verify returns the first of keys that has signed; the line of every known key has to be good.
func (n note) verify(keys []key) (key, error) {
	var first *key
	for _, k := range keys {
		l := n.lineOf(k)
		if l == nil {
			continue
		}
		if err := n.verifyLine(k, *l); err != nil {
			return key{}, err
		}
		if first == nil {
			first = &k
		}
		if wrong("second_known_line_not_looked_at") {
			break
		}
	}
	if first == nil {
		if wrong("unsigned_note_taken") && len(keys) > 0 {
			return keys[0], nil
		}
		return key{}, fmt.Errorf("note: none of the expected keys has signed it")
	}
	return *first, nil
}

func (n note) verifyLine(k key, l line) error {
	if k.alg != algEd25519 {
		return verifyCosignature(n.text, k, l.value)
	}
	message := n.text
	if wrong("signature_covers_the_empty_line") {
		message += "\n"
	}
	return k.verify([]byte(message), l.value)
}

func openNote(data []byte, keys []key) (note, key, error) {
	n, err := parseNote(data)
	if err != nil {
		return n, key{}, err
	}
	by, err := n.verify(keys)
	return n, by, err
}

// Numbers and times as notes write them.

var number = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})$`)

func parseNumber(text string) (int64, error) {
	form := number.MatchString(text)
	if wrong("numbers_with_leading_zeros") {
		form = regexp.MustCompile(`^[0-9]{1,19}$`).MatchString(text)
	}
	if wrong("numbers_with_a_sign") {
		form = form || regexp.MustCompile(`^[+-](0|[1-9][0-9]{0,18})$`).MatchString(text)
	}
	if !form {
		return 0, fmt.Errorf("number %.30q", text)
	}
	if wrong("numbers_of_64_bits") {
		n, err := strconv.ParseUint(text, 10, 64)
		return int64(n & (1<<63 - 1)), err
	}
	return strconv.ParseInt(text, 10, 64)
}

var rfc3339 = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$`)

// parseTime reads any RFC 3339 time as PROTOCOL.md, section 3, takes it, cut to microseconds.
func parseTime(text string) (time.Time, error) {
	bad := fmt.Errorf("time %.40q", text)
	parts := rfc3339.FindStringSubmatch(text)
	if parts == nil {
		if wrong("time_without_offset_taken") && !strings.HasSuffix(text, "Z") {
			return parseTime(text + "Z")
		}
		return time.Time{}, bad
	}
	n := make([]int, 7)
	for i := 1; i <= 6; i++ {
		n[i], _ = strconv.Atoi(parts[i])
	}
	if n[6] == 60 && wrong("leap_second_taken") {
		n[6] = 59
	}
	if n[1] < 1 || n[4] > 23 || n[5] > 59 || n[6] > 59 {
		return time.Time{}, bad
	}
	micros := 0
	if parts[7] != "" {
		micros, _ = strconv.Atoi((parts[7][1:] + "000000")[:6])
	}
	zone := time.UTC
	if len(parts[8]) > 1 {
		hours, _ := strconv.Atoi(parts[8][1:3])
		minutes, _ := strconv.Atoi(parts[8][4:6])
		if hours > 23 || minutes > 59 && !wrong("offset_of_75_minutes_taken") {
			return time.Time{}, bad
		}
		seconds := hours*3600 + minutes*60
		if parts[8][0] == '-' {
			seconds = -seconds
		}
		if wrong("offset_turned") {
			seconds = -seconds
		}
		zone = time.FixedZone("", seconds)
	}
	t := time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], micros*1000, zone)
	if (int(t.Month()) != n[2] || t.Day() != n[3]) && !wrong("thirtieth_of_february_taken") {
		return time.Time{}, bad
	}
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, bad
	}
	return t, nil
}

const ownForm = "2006-01-02T15:04:05.000000Z"

// parseOwnTime reads a time in the one form that notes have: UTC, six decimals, Z.
func parseOwnTime(text string) (time.Time, error) {
	t, err := parseTime(text)
	if err == nil && t.Format(ownForm) != text && !wrong("times_of_notes_in_any_form") {
		err = fmt.Errorf("time %.40q: not the one form", text)
	}
	return t, err
}

// fields reads lines `<name> <value>` in this order and no other.
func fields(lines []string, names ...string) (map[string]string, error) {
	found := map[string]string{}
	for i, name := range names {
		if i >= len(lines) {
			return nil, fmt.Errorf("line %q is missing", name)
		}
		head, value, ok := strings.Cut(lines[i], " ")
		if wrong("lines_in_any_order") {
			for _, other := range names {
				if head == other {
					name = other
				}
			}
		}
		if !ok || head != name {
			return nil, fmt.Errorf("expected a line %q, got %.60q", name, lines[i])
		}
		found[name] = value
	}
	return found, nil
}

// textLines returns the lines of a text that ends in a newline.
func textLines(text string) ([]string, error) {
	rest, found := strings.CutSuffix(text, "\n")
	if !found {
		return nil, fmt.Errorf("text does not end in a newline")
	}
	return strings.Split(rest, "\n"), nil
}
