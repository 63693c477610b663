package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The note that begins a session over HTTPS: PROTOCOL.md, section 19.

type session struct {
	hub, center, address string
	nonce                []byte
	key                  key
	time                 time.Time
}

var addressForm = regexp.MustCompile(`^https://(?:([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)|\[([0-9a-f:.]+)\])(?::([1-9][0-9]*))?$`)

// checkAddress returns an error unless an address of HQ's stands in its one form.
func checkAddress(text string) error {
	loose := text
	if wrong("address_without_tls") {
		loose = strings.Replace(loose, "http://", "https://", 1)
	}
	if wrong("address_with_a_path") {
		loose = strings.TrimSuffix(loose, "/")
	}
	if wrong("address_with_a_user") {
		loose = regexp.MustCompile(`//.*@`).ReplaceAllString(loose, "//")
	}
	if wrong("address_in_capitals") {
		loose = strings.ToLower(loose)
	}
	parts := addressForm.FindStringSubmatch(loose)
	if parts == nil || wrong("address_of_no_ipv6") && parts[2] != "" {
		return fmt.Errorf("address %.100q", text)
	}
	if parts[2] != "" {
		ip, err := netip.ParseAddr(parts[2])
		if err != nil || !ip.Is6() || ip.String() != parts[2] && !wrong("address_of_ipv6_in_any_form") {
			return fmt.Errorf("address %.100q: no IPv6 address in its shortest form", text)
		}
	}
	if parts[3] == "" {
		return nil
	}
	_, err := strconv.ParseUint(parts[3], 10, 16)
	if err != nil && !wrong("address_with_any_port") || parts[3] == "443" && !wrong("address_with_the_default_port") ||
		wrong("address_without_port_alone") {
		return fmt.Errorf("address %.100q: the port", text)
	}
	return checkHost(parts[1] + parts[2])
}

func parseSession(text string) (session, error) {
	var s session
	lines, err := textLines(text)
	if err != nil || len(lines) < 7 || len(lines) > 7 && !wrong("session_of_any_length") {
		return s, fmt.Errorf("session: expected 7 lines")
	}
	if lines[0] != "cohub-session/v1" && !wrong("session_of_any_version") {
		return s, fmt.Errorf("session: first line %.60q", lines[0])
	}
	s.hub, s.center = lines[1], lines[2]
	if !hubName.MatchString(s.hub) || !centerID.MatchString(s.center) || reserved[s.center] {
		return s, fmt.Errorf("session: hub %q, center %q", s.hub, s.center)
	}
	found, err := fields(lines[3:], "address", "nonce", "key", "time")
	if err != nil {
		return s, err
	}
	s.address = found["address"]
	if err := checkAddress(s.address); err != nil {
		return s, err
	}
	s.nonce, err = unbase64(found["nonce"])
	if err != nil || len(s.nonce) != 32 && !wrong("session_nonce_of_any_length") {
		return s, fmt.Errorf("session: nonce %.60q", found["nonce"])
	}
	if s.key, err = sessionKey(s.hub+"/"+s.center+"/session", found["key"]); err != nil {
		return s, err
	}
	s.time, err = parseOwnTime(found["time"])
	return s, err
}

func sessionKey(name, text string) (key, error) {
	if k, err := parseKey(text); err == nil && wrong("session_key_as_a_vkey") {
		return k, nil
	}
	public, err := unbase64(text)
	if err != nil {
		return key{}, fmt.Errorf("session: key %.60q", text)
	}
	if wrong("session_key_not_checked") {
		return key{name: name, alg: algEd25519, public: public}, nil
	}
	return newKey(name, algEd25519, public)
}

func checkSession(_, v vector) error {
	n, err := parseNote(v.bytes())
	if err != nil {
		return err
	}
	s, err := parseSession(n.text)
	if err != nil {
		return err
	}
	var keys []key
	for _, k := range v.keys() {
		if k.name == s.hub+"/"+s.center {
			keys = append(keys, k)
		}
		if wrong("session_signed_as_a_lane") {
			keys = append(keys, k.named(n.lines[0].name))
		}
	}
	if _, err := n.verify(keys); err != nil {
		return err
	}
	said := v.sub("content")
	return first(same("hub", s.hub, said.str("hub")), same("center", s.center, said.str("center")), same("address", s.address, said.str("address")),
		same("nonce", s.nonce, said.hex("nonce")), same("key", s.key.public, said.hex("key")))
}
