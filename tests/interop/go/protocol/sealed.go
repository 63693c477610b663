package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Personal fields: PROTOCOL.md, section 11. AES-SIV is RFC 5297's, by hand.

var sealedShape = regexp.MustCompile(`^(sealed\.v1\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{64,}|erased\.v1\.[A-Za-z0-9_-]{22})$`)

const sealedLengthMax = 6000

// place says where a value stands: hub, center, stream, subject, field.
type place [5]string

func (p place) components() []string {
	out := append([]string{"sealed.v1"}, p[:]...)
	if wrong("sealed_without_the_field") {
		return out[:5]
	}
	if wrong("sealed_without_the_version") {
		return out[1:]
	}
	return out
}

func expand(key []byte, info string, size int) []byte {
	out, err := hkdf.Expand(sha512.New, key, info, size)
	if err != nil {
		panic(err)
	}
	return out
}

func sealedKeyID(key []byte, p place) string {
	info := "cohub sealed.v1 id"
	for _, part := range p.components() {
		if wrong("key_id_of_joined_components") {
			info += part
			continue
		}
		info += netstring([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(expand(key, info, 16))
}

func seal(key []byte, p place, parts map[string]string) string {
	plain := canonicalJSON(parts)
	block := 128
	if wrong("padded_to_64") {
		block = 64
	}
	for len(plain)%block != 0 || wrong("padded_by_one_more_block") && len(plain)%256 != 0 {
		plain += " "
	}
	sealed := sivSeal(expand(key, "cohub sealed.v1 key", 64), []byte(plain), p.components())
	return "sealed.v1." + sealedKeyID(key, p) + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

func unseal(key []byte, p place, text string) (map[string]string, error) {
	if !sealedShape.MatchString(text) || strings.HasPrefix(text, "erased.") {
		return nil, fmt.Errorf("not a sealed value")
	}
	data, err := base64.RawURLEncoding.DecodeString(text[strings.LastIndex(text, ".")+1:])
	if err != nil || len(data) < 16 {
		return nil, fmt.Errorf("not base64url")
	}
	plain, err := sivOpen(expand(key, "cohub sealed.v1 key", 64), data, p.components())
	if err != nil {
		return nil, err
	}
	var parts map[string]string
	return parts, json.Unmarshal(plain, &parts)
}

// canonicalJSON returns an object of texts as RFC 8785 writes it.
func canonicalJSON(parts map[string]string) string {
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	if !wrong("names_as_they_come") {
		sort.Strings(names)
	} else {
		sort.Sort(sort.Reverse(sort.StringSlice(names)))
	}
	var items []string
	for _, name := range names {
		items = append(items, jsonText(name)+":"+jsonText(parts[name]))
	}
	return "{" + strings.Join(items, ",") + "}"
}

var jsonShort = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

func jsonText(text string) string {
	var out strings.Builder
	ascii := wrong("json_in_ascii")
	out.WriteByte('"')
	for _, c := range text {
		short := ""
		if c < 0x20 || c == '"' || c == '\\' {
			short = jsonShort[c]
		}
		switch {
		case short != "":
			out.WriteString(short)
		case c < 0x20 || c > 0x7e && ascii:
			fmt.Fprintf(&out, `\u%04x`, c)
		default:
			out.WriteRune(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// cmac is RFC 4493's, over a whole message.
func cmac(key, message []byte) [16]byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	var zero, one [16]byte
	block.Encrypt(zero[:], zero[:])
	one = double(zero)
	count := (len(message) + 15) / 16
	last := one
	rest := message[max(0, count-1)*16:]
	if len(rest) != 16 {
		last = double(one)
		rest = append(append([]byte(nil), rest...), 0x80)
	}
	for i, b := range rest {
		last[i] ^= b
	}
	var state [16]byte
	for at := 0; at < (count-1)*16; at += 16 {
		subtle.XORBytes(state[:], state[:], message[at:at+16])
		block.Encrypt(state[:], state[:])
	}
	subtle.XORBytes(state[:], state[:], last[:])
	block.Encrypt(state[:], state[:])
	return state
}

func double(in [16]byte) (out [16]byte) {
	for i := range in {
		out[i] = in[i] << 1
		if i < 15 {
			out[i] |= in[i+1] >> 7
		}
	}
	if in[0]&0x80 != 0 {
		out[15] ^= 0x87
	}
	return out
}

// synthetic is S2V over the components and the plaintext, which has a block at least.
func synthetic(key []byte, components []string, plain []byte) [16]byte {
	d := cmac(key, make([]byte, 16))
	if wrong("components_joined") {
		components = []string{strings.Join(components, "")}
	}
	for _, part := range components {
		mac := cmac(key, []byte(part))
		d = double(d)
		subtle.XORBytes(d[:], d[:], mac[:])
	}
	if len(plain) < 16 {
		padded := append(append([]byte(nil), plain...), 0x80)
		padded = append(padded, make([]byte, 16-len(padded))...)
		d = double(d)
		subtle.XORBytes(padded, padded, d[:])
		return cmac(key, padded)
	}
	end := append([]byte(nil), plain...)
	subtle.XORBytes(end[len(end)-16:], end[len(end)-16:], d[:])
	return cmac(key, end)
}

func sivStream(key []byte, siv [16]byte, data []byte) []byte {
	siv[8] &= 0x7f
	siv[12] &= 0x7f
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(data))
	cipher.NewCTR(block, siv[:]).XORKeyStream(out, data)
	return out
}

func sivSeal(key, plain []byte, components []string) []byte {
	siv := synthetic(key[:32], components, plain)
	return append(siv[:], sivStream(key[32:], siv, plain)...)
}

func sivOpen(key, data []byte, components []string) ([]byte, error) {
	siv := [16]byte(data[:16])
	plain := sivStream(key[32:], siv, data[16:])
	if synthetic(key[:32], components, plain) != siv && !wrong("siv_not_compared") {
		return nil, fmt.Errorf("not sealed by this key for this place")
	}
	return plain, nil
}

func placeOf(v vector) place {
	said := v.sub("place")
	return place{said.str("hub"), said.str("center"), said.str("stream"), said.str("subject"), said.str("field")}
}

func checkSealed(_, v vector) error {
	parts, err := unseal(v.hex("key"), placeOf(v), v.str("value"))
	if err != nil {
		return err
	}
	var want map[string]string
	v.get("parts", &want)
	return first(same("parts", parts, want), same("value", seal(v.hex("key"), placeOf(v), want), v.str("value")),
		same("key id", sealedKeyID(v.hex("key"), placeOf(v)), v.str("key_id")))
}

func shapeCases(file vector) []vcase {
	var out []vcase
	for _, v := range file.rows("shapes") {
		out = append(out, vcase{"shape_" + v.str("name"), func() error {
			var taken bool
			v.get("taken", &taken)
			value := v.str("value")
			good := sealedShape.MatchString(value) && (len(value) <= sealedLengthMax || wrong("sealed_of_any_length"))
			if wrong("any_text_is_sealed") && strings.HasPrefix(value, "sealed.v1.") {
				good = true
			}
			if wrong("erased_is_no_value") && strings.HasPrefix(value, "erased.v1.") {
				good = false
			}
			return same("taken", good, taken)
		}})
	}
	return out
}
