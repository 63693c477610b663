package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"unicode"

	"filippo.io/mldsa"
)

// Names and keys: PROTOCOL.md, section 1.

var (
	hubName   = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$`)
	centerID  = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
	entityID  = regexp.MustCompile(`^([a-z0-9-]{1,63}):([!-~]{1,120})$`)
	epochForm = regexp.MustCompile(`^[0-9a-f]{8}$`)
	reserved  = map[string]bool{"root": true, "log": true, "receipts": true, "hq": true}
)

const (
	algEd25519 = 0x01
	algWitness = 0x04
	algMLDSA   = 0x06
)

type key struct {
	name   string
	alg    byte
	public []byte
	id     [4]byte
}

func keyID(name string, alg byte, public []byte) (id [4]byte) {
	separator := "\n"
	if wrong("key_id_without_newline") {
		separator = ""
	}
	tagged := append([]byte(name+separator), alg)
	if wrong("key_id_without_algorithm") {
		tagged = []byte(name + separator)
	}
	sum := sha256.Sum256(append(tagged, public...))
	copy(id[:], sum[:4])
	if wrong("key_id_from_the_end") {
		copy(id[:], sum[28:])
	}
	return id
}

func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("key name: empty")
	}
	for _, c := range name {
		space := unicode.IsSpace(c)
		if wrong("key_name_with_wide_space") {
			space = c == ' '
		}
		if space || c == '+' || c < 0x20 {
			return fmt.Errorf("key name %q", name)
		}
	}
	return nil
}

func unbase64(text string) ([]byte, error) {
	encoding := base64.StdEncoding.Strict()
	if wrong("base64_loose") {
		encoding = base64.StdEncoding
	}
	if strings.ContainsAny(text, "\r\n") { // Go's decoder passes over line breaks
		return nil, fmt.Errorf("base64: a line break")
	}
	return encoding.DecodeString(text)
}

var (
	prime      = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	orderEight = unhexLittle("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
)

func unhexLittle(text string) *big.Int {
	data, _ := hex.DecodeString(text)
	return little(data)
}

func little(data []byte) *big.Int {
	turned := make([]byte, len(data))
	for i, b := range data {
		turned[len(data)-1-i] = b
	}
	return new(big.Int).SetBytes(turned)
}

func checkPoint(public []byte) error {
	masked := bytes.Clone(public)
	masked[31] &= 0x7f
	y := little(masked)
	if y.Cmp(prime) >= 0 && !wrong("key_not_canonical_taken") {
		return fmt.Errorf("Ed25519 key: y is not below the prime")
	}
	y.Mod(y, prime)
	small := []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(prime, big.NewInt(1)), orderEight,
		new(big.Int).Sub(prime, orderEight)}
	if wrong("only_identity_is_small") {
		small = small[1:2]
	}
	for _, point := range small {
		if y.Cmp(point) == 0 && !wrong("small_order_taken") {
			return fmt.Errorf("Ed25519 key: a point of small order")
		}
	}
	return nil
}

func newKey(name string, alg byte, public []byte) (key, error) {
	sizes := map[byte]int{algEd25519: 32, algWitness: 32, algMLDSA: 1312}
	size, known := sizes[alg]
	if !known || len(public) != size {
		return key{}, fmt.Errorf("key %s: algorithm %#02x with %d bytes", name, alg, len(public))
	}
	if err := checkName(name); err != nil {
		return key{}, err
	}
	if alg != algMLDSA {
		if err := checkPoint(public); err != nil {
			return key{}, err
		}
	}
	return key{name, alg, public, keyID(name, alg, public)}, nil
}

func (k key) named(name string) key {
	named, err := newKey(name, k.alg, k.public)
	if err != nil {
		panic(err)
	}
	return named
}

func (k key) text() string {
	raw := append([]byte{k.alg}, k.public...)
	return fmt.Sprintf("%s+%x+%s", k.name, k.id, base64.StdEncoding.EncodeToString(raw))
}

func (k key) same(other key) bool { return k.text() == other.text() }

func parseKey(text string) (key, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return key{}, fmt.Errorf("vkey %.60q: expected <name>+<id>+<base64>", text)
	}
	raw, err := unbase64(parts[2])
	if err != nil || len(raw) == 0 {
		return key{}, fmt.Errorf("vkey %.60q: not base64", text)
	}
	k, err := newKey(parts[0], raw[0], raw[1:])
	if err != nil {
		return key{}, err
	}
	said := parts[1]
	if wrong("key_id_in_capitals_taken") {
		said = strings.ToLower(said)
	}
	if said != hex.EncodeToString(k.id[:]) && !wrong("key_id_not_compared") {
		return key{}, fmt.Errorf("vkey %.60q: the id is another key's", text)
	}
	return k, nil
}

func parseKeys(texts []string) ([]key, error) {
	var keys []key
	for _, text := range texts {
		k, err := parseKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

type signer struct {
	key
	seed []byte
}

func parseSigner(text string) (signer, error) {
	parts := strings.SplitN(text, "+", 5)
	if len(parts) != 5 || parts[0] != "PRIVATE" || parts[1] != "KEY" {
		return signer{}, fmt.Errorf("private key: expected PRIVATE+KEY+<name>+<id>+<base64>")
	}
	raw, err := unbase64(parts[4])
	if err != nil || len(raw) != 33 {
		return signer{}, fmt.Errorf("private key: not base64 of 33 bytes")
	}
	public := []byte(ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey))
	if raw[0] == algMLDSA {
		private, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), raw[1:])
		if err != nil {
			return signer{}, err
		}
		public = private.PublicKey().Bytes()
	}
	k, err := newKey(parts[2], raw[0], public)
	if err != nil {
		return signer{}, err
	}
	if parts[3] != hex.EncodeToString(k.id[:]) {
		return signer{}, fmt.Errorf("private key: the id is another key's")
	}
	return signer{k, raw[1:]}, nil
}

func (s signer) sign(message []byte) []byte {
	return ed25519.Sign(ed25519.NewKeyFromSeed(s.seed), message)
}

// Signatures are checked once: a run with a mistake asks for the same ones again.
var checked = map[[32]byte]bool{}

func (k key) verify(message, signature []byte) error {
	all := sha256.New()
	for _, part := range [][]byte{{k.alg}, k.public, message, signature} {
		fmt.Fprintf(all, "%d:", len(part))
		all.Write(part)
	}
	var place [32]byte
	all.Sum(place[:0])
	good, known := checked[place]
	if !known {
		good = k.verifyOnce(message, signature)
		checked[place] = good
	}
	if !good && !wrong("signatures_not_verified") {
		return fmt.Errorf("signature by %s+%x is not good", k.name, k.id)
	}
	return nil
}

func (k key) verifyOnce(message, signature []byte) bool {
	if k.alg == algMLDSA {
		public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), k.public)
		return err == nil && mldsa.Verify(public, message, signature, nil) == nil
	}
	return len(signature) == 64 && ed25519.Verify(k.public, message, signature)
}
