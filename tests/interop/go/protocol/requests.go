package main

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Signed requests of a session: PROTOCOL.md, section 19; RFC 9421 and RFC 9530.

type request struct {
	method, address, target string
	fields                  map[string]string
	body                    []byte
}

// component is one that a signature covers: its name, and how it stands among the parameters.
type component struct{ name, text string }

type requestSignature struct {
	label, params string
	covered       []component
	said          map[string]string
	value         []byte
}

var (
	inputForm     = regexp.MustCompile(`^([a-z*][a-z0-9_.*-]*)=(\(([^()]*)\)((?:;[a-z*][a-z0-9_.*-]*=(?:"[^"\\]*"|[0-9]{1,15}))*))$`)
	componentForm = regexp.MustCompile(`^"(@?[a-z0-9!#$%&'*+.^_|~-]+)"((?:;[a-z]+)*)$`)
	parameterForm = regexp.MustCompile(`;([^=;]+)=("[^"]*"|[0-9]+)`)
	bytesForm     = regexp.MustCompile(`^([a-z0-9*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):$`)
	ofNumber      = []string{"created", "expires"}
	ofText        = []string{"keyid", "nonce", "alg", "tag"}
)

// component returns the value of a component of this name.
func (r request) component(name string) (string, bool) {
	path, query, _ := strings.Cut(r.target, "?")
	authority := strings.TrimPrefix(r.address, "https://")
	if wrong("request_authority_without_port") {
		authority, _, _ = strings.Cut(authority, ":")
	}
	uri := r.address + r.target
	if wrong("request_uri_without_query") {
		uri = r.address + path
	}
	mark := "?"
	if query == "" && wrong("request_query_without_its_mark") {
		mark = ""
	}
	switch name {
	case "@method":
		return r.method, true
	case "@target-uri":
		return uri, true
	case "@authority":
		return authority, true
	case "@path":
		return path, true
	case "@query":
		return mark + query, true
	}
	value, found := r.fields[name]
	return strings.Trim(value, " \t"), found && !strings.HasPrefix(name, "@")
}

func parseSignature(r request) (requestSignature, error) {
	var s requestSignature
	input, value := r.fields["signature-input"], r.fields["signature"]
	if wrong("request_with_two_signatures") {
		input, _, _ = strings.Cut(input, ", ")
		value, _, _ = strings.Cut(value, ", ")
	}
	parts, signed := inputForm.FindStringSubmatch(input), bytesForm.FindStringSubmatch(value)
	if parts == nil || signed == nil || parts[1] != signed[1] && !wrong("request_label_not_compared") {
		return s, fmt.Errorf("request: expected one signature, got %.200q and %.60q", input, value)
	}
	s.label, s.params, s.said = parts[1], parts[2], map[string]string{}
	seen := map[string]bool{}
	for _, text := range strings.Split(parts[3], " ") {
		found := componentForm.FindStringSubmatch(text)
		if found == nil || found[2] != "" && !wrong("request_component_with_parameters") {
			return s, fmt.Errorf("request: component %.60q", text)
		}
		if seen[found[1]] && !wrong("request_component_twice") {
			return s, fmt.Errorf("request: component %q twice", found[1])
		}
		seen[found[1]] = true
		s.covered = append(s.covered, component{found[1], text})
	}
	if err := s.parameters(parts[4]); err != nil {
		return s, err
	}
	var err error
	s.value, err = unbase64(signed[2])
	return s, err
}

func (s requestSignature) parameters(text string) error {
	for _, found := range parameterForm.FindAllStringSubmatch(text, -1) {
		name, value := found[1], found[2]
		bare, isText := strings.CutPrefix(value, `"`)
		known := slices.Contains(ofNumber, name) && !isText || slices.Contains(ofText, name) && isText
		if !known && !wrong("request_parameter_unknown") {
			return fmt.Errorf("request: parameter %.60q", found[0])
		}
		if _, twice := s.said[name]; twice && !wrong("request_parameter_twice") {
			return fmt.Errorf("request: parameter %q twice", name)
		}
		s.said[name] = strings.TrimSuffix(bare, `"`)
	}
	return nil
}

// base returns what is signed.
func (s requestSignature) base(r request) (string, error) {
	covered := slices.Clone(s.covered)
	if wrong("request_components_sorted") {
		slices.SortFunc(covered, func(a, b component) int { return strings.Compare(a.name, b.name) })
	}
	out := ""
	for _, c := range covered {
		value, found := r.component(c.name)
		if !found {
			return "", fmt.Errorf("request: it has no %q", c.name)
		}
		out += c.text + ": " + value + "\n"
	}
	params := s.params
	if wrong("request_params_with_the_label") {
		params = s.label + "=" + params
	}
	out += `"@signature-params": ` + params
	if wrong("request_base_with_a_newline") {
		out += "\n"
	}
	return out, nil
}

// enough returns an error unless a signature covers and says what one of a session has to.
func (s requestSignature) enough(r request) error {
	covers := func(names ...string) bool {
		for _, name := range names {
			if !slices.ContainsFunc(s.covered, func(c component) bool { return c.name == name }) {
				return false
			}
		}
		return true
	}
	inParts := covers("@authority", "@path", "@query") || covers("@authority", "@path") && wrong("request_query_uncovered")
	target := covers("@target-uri") || inParts && !wrong("request_target_in_parts_refused")
	_, typed := r.fields["content-type"]
	if !target || !covers("@method") && !wrong("request_method_uncovered") ||
		!covers("content-digest") && !wrong("request_digest_uncovered") ||
		typed && !covers("content-type") && !wrong("request_type_uncovered") {
		return fmt.Errorf("request: its signature covers too little")
	}
	if s.said["created"] == "" && !wrong("request_never_created") || s.said["keyid"] == "" && !wrong("request_without_a_session") {
		return fmt.Errorf("request: without created or keyid")
	}
	alg, named := s.said["alg"]
	if named && (alg != "ed25519" && !wrong("request_algorithm_not_compared") || wrong("request_algorithm_unsaid")) {
		return fmt.Errorf("request: algorithm %q", alg)
	}
	number, err := parseNumber(s.said["nonce"])
	if err == nil && number < 1 && !wrong("request_number_from_zero") {
		err = fmt.Errorf("request: number %d", number)
	}
	return err
}

// checkDigest compares a body with what Content-Digest says of it.
func checkDigest(text string, body []byte) error {
	known, seen := false, map[string]bool{}
	for _, member := range strings.Split(text, ",") {
		found := bytesForm.FindStringSubmatch(strings.Trim(member, " \t"))
		if found == nil || seen[found[1]] {
			return fmt.Errorf("content-digest: %.100q", text)
		}
		seen[found[1]] = true
		said, err := unbase64(found[2])
		if err != nil {
			return err
		}
		var made []byte
		switch {
		case found[1] == "sha-256":
			sum := sha256.Sum256(body)
			made = sum[:]
		case found[1] == "sha-512" && !wrong("request_digest_by_sha_256_alone"):
			sum := sha512.Sum512(body)
			made = sum[:]
		default:
			continue
		}
		known = true
		if !slices.Equal(made, said) && !wrong("request_body_not_compared") {
			return fmt.Errorf("content-digest: another %s", found[1])
		}
	}
	if !known {
		return fmt.Errorf("content-digest: no algorithm that is known in %.100q", text)
	}
	return nil
}

func checkRequest(_, v vector) error {
	r := request{v.str("method"), v.str("address"), v.str("target"), map[string]string{}, []byte(v.str("body"))}
	v.get("fields", &r.fields)
	s, err := parseSignature(r)
	if err != nil {
		return err
	}
	if err := first(s.enough(r), checkDigest(r.fields["content-digest"], r.body)); err != nil {
		return err
	}
	base, err := s.base(r)
	if err != nil {
		return err
	}
	k, err := newKey("session", algEd25519, v.hex("key"))
	if err != nil {
		return err
	}
	if err := k.verify([]byte(base), s.value); err != nil {
		return err
	}
	if said := v.str("base"); said != "" {
		return same("base", base, said)
	}
	return nil
}
