package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Enrolment bundles: PROTOCOL.md, section 18.

const bundleBytesMax, nameLengthMax, addressesMax, addressLengthMax, authorityLengthMax = 2 << 20, 200, 16, 300, 1 << 16

// sortedJSON writes JSON with its names sorted: without spaces, or with two of indent a level.
func sortedJSON(value any, indent string) string {
	deeper, end, colon := "", "", ":"
	if indent != "" {
		deeper, end, colon = indent+"  ", indent, ": "
	}
	var rows []string
	opened, closed := "[", "]"
	switch v := value.(type) {
	case map[string]any:
		opened, closed = "{", "}"
		for _, name := range slices.Sorted(maps.Keys(v)) {
			rows = append(rows, jsonText(name)+colon+sortedJSON(v[name], deeper))
		}
	case []any:
		for _, item := range v {
			rows = append(rows, sortedJSON(item, deeper))
		}
	case string:
		return jsonText(v)
	default:
		return fmt.Sprint(map[bool]any{true: "null", false: v}[v == nil])
	}
	if len(rows) == 0 {
		return opened + closed
	}
	return opened + deeper + strings.Join(rows, ","+deeper) + end + closed
}

func readJSON(data []byte) (map[string]any, error) {
	reader := json.NewDecoder(bytes.NewReader(data))
	reader.UseNumber()
	var row map[string]any
	if err := reader.Decode(&row); err != nil {
		return nil, err
	}
	if _, err := reader.Token(); err != io.EOF || row == nil {
		return nil, fmt.Errorf("expected one object in JSON")
	}
	return row, nil
}

// named returns an error unless an object has these names and no others.
func named(row map[string]any, names ...string) error {
	for _, name := range names {
		if _, found := row[name]; !found {
			return fmt.Errorf("%q is missing", name)
		}
	}
	if len(row) != len(names) && !wrong("invitation_with_more_names") {
		return fmt.Errorf("more names than %s", strings.Join(names, ", "))
	}
	return nil
}

func textsOf(row map[string]any, names ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range names {
		text, isText := row[name].(string)
		if !isText {
			return nil, fmt.Errorf("%q is no text", name)
		}
		out[name] = text
	}
	return out, nil
}

type invitation struct {
	hub, center, id string
	secret          []byte
	root            key
}

func parseInvitation(data []byte) (invitation, error) {
	var i invitation
	given := data
	if !wrong("invitation_as_it_was_written") {
		given = bytes.ReplaceAll(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	}
	row, err := readJSON(given)
	if err != nil || len(data) > bundleBytesMax {
		return i, fmt.Errorf("bundle of %d bytes: %v", len(data), err)
	}
	written := sortedJSON(row, "\n") + "\n"
	if written != strings.TrimRight(string(given), "\n")+"\n" && !wrong("invitation_of_any_form") {
		return i, fmt.Errorf("bundle: not its one form")
	}
	language, says := row["language"]
	delete(row, "language")
	err = named(row, "format", "hub", "center", "name", "invitation", "key", "secret", "expires", "trust", "kafka", "https", "check")
	if err != nil {
		return i, err
	}
	said, err := textsOf(row, "format", "hub", "center", "name", "invitation", "key", "secret", "expires", "trust", "check")
	if err != nil {
		return i, err
	}
	delete(row, "check")
	if says {
		row["language"] = language
		tag, isText := language.(string)
		if !isText || !languageForm.MatchString(tag) && !wrong("invitation_language_of_any_form") {
			return i, fmt.Errorf("bundle: language %v", language)
		}
	}
	sum := sha256.Sum256([]byte(sortedJSON(row, "")))
	if wrong("invitation_check_of_the_spaced_text") {
		sum = sha256.Sum256([]byte(sortedJSON(row, "\n") + "\n"))
	}
	if said["check"] != fmt.Sprintf("%x", sum[:8]) && !wrong("invitation_check_not_compared") {
		return i, fmt.Errorf("bundle: another check")
	}
	i.hub, i.center, i.id = said["hub"], said["center"], said["invitation"]
	return i, first(i.names(said), i.keys(said), i.waysIn(row))
}

func (i invitation) names(said map[string]string) error {
	if said["format"] != "cohub-invitation/v1" && !wrong("invitation_of_any_format") {
		return fmt.Errorf("bundle: format %q", said["format"])
	}
	if !hubName.MatchString(i.hub) || !centerID.MatchString(i.center) || reserved[i.center] && !wrong("invitation_of_a_reserved_id") {
		return fmt.Errorf("bundle: hub %q, center %q", i.hub, i.center)
	}
	id := i.id
	if wrong("invitation_id_in_capitals") {
		id = strings.ToLower(id)
	}
	if !invitationForm.MatchString(id) {
		return fmt.Errorf("bundle: invitation %q", i.id)
	}
	name := said["name"]
	if utf8.RuneCountInString(name) > nameLengthMax && !wrong("invitation_name_of_any_length") ||
		oneLine(name) != name && !wrong("invitation_name_of_many_lines") {
		return fmt.Errorf("bundle: name %.60q", name)
	}
	_, err := parseOwnTime(said["expires"])
	return err
}

func (i *invitation) keys(said map[string]string) error {
	public, err := unbase64(said["key"])
	if err != nil {
		return err
	}
	theirs, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return err
	}
	mine, _ := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{1}, 32))
	if _, err := mine.ECDH(theirs); err != nil && !wrong("invitation_key_of_small_order") {
		return err
	}
	secret := said["secret"]
	if wrong("invitation_secret_in_base64url") {
		secret = strings.NewReplacer("-", "+", "_", "/").Replace(secret)
	}
	i.secret, err = unbase64(secret)
	if err != nil || len(i.secret) != 32 && !wrong("invitation_secret_of_any_length") {
		return fmt.Errorf("bundle: its secret")
	}
	n, err := parseNote([]byte(said["trust"]))
	if err != nil {
		return err
	}
	t, err := parseTrust(n.text)
	if err != nil {
		return err
	}
	i.root = t.root
	if _, err = openTrust([]byte(said["trust"]), t.root); err != nil && !wrong("invitation_trust_not_verified") {
		return err
	}
	if t.hub != i.hub && !wrong("invitation_trust_of_another_hub") || len(t.keys["hq"]) == 0 && !wrong("invitation_trust_of_version_1") {
		return fmt.Errorf("bundle: its trust note is another hub's, or names no hq key")
	}
	return nil
}

var (
	brokerForm   = regexp.MustCompile(`^([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]):([1-9][0-9]*)$`)
	languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$`)
	numberAtEnd  = regexp.MustCompile(`^(.*\.)?([0-9]+|0[xX][0-9A-Fa-f]*)$`)
)

// checkHost returns an error unless every program reads a host alike, and it is one place for every computer.
func checkHost(host string) error {
	if strings.HasSuffix(host, ".") {
		return fmt.Errorf("host %.100q: a dot at its end", host)
	}
	if !strings.Contains(host, ":") && !numberAtEnd.MatchString(host) {
		return nil
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		if wrong("host_of_two_readings") {
			return nil
		}
		return fmt.Errorf("host %.100q: no address that all read alike", host)
	}
	bytes := address.As16()
	inIP6 := address.Is6() && (address.Is4In6() || bytes[12]|bytes[13] != 0 && [12]byte(bytes[:12]) == [12]byte{})
	if inIP6 && !wrong("host_of_ip4_in_ip6") {
		return fmt.Errorf("host %.100q: an IPv4 address in the form of an IPv6 address", host)
	}
	nowhere := address.IsUnspecified() || address.IsMulticast() || address == netip.AddrFrom4([4]byte{255, 255, 255, 255}) ||
		address.Is6() && address.IsLinkLocalUnicast()
	if nowhere && !wrong("host_that_is_no_place") {
		return fmt.Errorf("host %.100q: no place", host)
	}
	return nil
}

func (i invitation) waysIn(row map[string]any) error {
	if row["kafka"] == nil && row["https"] == nil && !wrong("invitation_without_a_way_in") {
		return fmt.Errorf("bundle: no way in")
	}
	if row["kafka"] != nil {
		way, _ := row["kafka"].(map[string]any)
		said, err := textsOf(way, "protocol")
		if err := first(err, named(way, "bootstrap", "protocol", "ca"), checkAuthority(way["ca"])); err != nil {
			return err
		}
		known := []string{"SASL_SSL", "SASL_PLAINTEXT", "SSL", "PLAINTEXT"}
		if !slices.Contains(known, said["protocol"]) && !wrong("invitation_of_any_protocol") {
			return fmt.Errorf("bundle: protocol %q", said["protocol"])
		}
		if err := checkBrokers(way["bootstrap"]); err != nil {
			return err
		}
	}
	if row["https"] == nil {
		return nil
	}
	way, _ := row["https"].(map[string]any)
	said, err := textsOf(way, "address")
	return first(err, named(way, "address", "ca"), checkAuthority(way["ca"]), checkAddress(said["address"]))
}

func checkBrokers(value any) error {
	brokers, _ := value.([]any)
	if len(brokers) == 0 && !wrong("invitation_without_brokers") || len(brokers) > addressesMax && !wrong("invitation_with_any_number_of_brokers") {
		return fmt.Errorf("bundle: %d brokers", len(brokers))
	}
	for _, broker := range brokers {
		address, _ := broker.(string)
		found := brokerForm.FindStringSubmatch(address)
		if found == nil && !strings.Contains(address, ":") && wrong("invitation_broker_without_a_port") {
			continue
		}
		if found == nil || len(address) > addressLengthMax {
			return fmt.Errorf("bundle: broker %.100q", address)
		}
		if _, err := strconv.ParseUint(found[2], 10, 16); err != nil && !wrong("invitation_broker_with_any_port") {
			return err
		}
		if err := checkHost(strings.Trim(found[1], "[]")); err != nil {
			return err
		}
	}
	return nil
}

// checkAuthority returns an error unless it is null, or certificates in PEM and nothing else.
func checkAuthority(value any) error {
	if value == nil {
		return nil
	}
	text, isText := value.(string)
	if !isText || text == "" || utf8.RuneCountInString(text) > authorityLengthMax {
		return fmt.Errorf("bundle: an authority of another form")
	}
	for rest := []byte(text); len(rest) > 0; {
		if !bytes.HasPrefix(rest, []byte("-----BEGIN ")) && !wrong("invitation_authority_of_any_text") {
			return fmt.Errorf("bundle: an authority that is no PEM")
		}
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && !wrong("invitation_authority_of_any_kind") || len(block.Headers) > 0 {
			return fmt.Errorf("bundle: %q in its authority", block.Type)
		}
	}
	return nil
}

func (i invitation) password() (string, error) {
	info, encoding := "cohub-invitation/v1 kafka password", base64.RawURLEncoding
	if wrong("invitation_password_by_another_info") {
		info = "kafka password"
	}
	if wrong("invitation_password_padded") {
		encoding = base64.URLEncoding
	}
	if wrong("invitation_password_in_base64") {
		encoding = base64.RawStdEncoding
	}
	secret := i.secret
	if wrong("invitation_password_extracted") {
		secret, _ = hkdf.Extract(sha256.New, secret, nil)
	}
	derived, err := hkdf.Expand(sha256.New, secret, info, 32)
	return encoding.EncodeToString(derived), err
}

func checkInvitation(_, v vector) error {
	i, err := parseInvitation(v.bytes())
	if err != nil {
		return err
	}
	password, err1 := i.password()
	numbers, err2 := fingerprintOf("root", i.root.text())
	if err := first(err1, err2); err != nil {
		return err
	}
	said := v.sub("content")
	if said == nil {
		return nil
	}
	return first(same("hub", i.hub, said.str("hub")), same("center", i.center, said.str("center")), same("invitation", i.id, said.str("invitation")),
		same("root", i.root.text(), said.str("root")), same("fingerprint", fingerprintText(numbers), said.str("fingerprint")),
		same("user", "join."+i.id, said.str("user")), same("password", password, said.str("password")))
}
