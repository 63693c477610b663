package main

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"fmt"
	hashes "hash"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Fingerprints: PROTOCOL.md, section 18.

// The English list of BIP 39, under the MIT licence: hub/protocol/wordlist.py has its text.
//
//go:embed english.txt
var english string

const englishSum = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"

var words = func() []string {
	if fmt.Sprintf("%x", sha256.Sum256([]byte(english))) != englishSum {
		panic("english.txt is not the list of BIP 39")
	}
	return strings.Fields(english)
}()

// Derived once: a run with a mistake asks for the same ones again.
var derivedOnce = map[string][]byte{}

func derive(name string, make func() hashes.Hash, data, salt string, rounds int) ([]byte, error) {
	place := fmt.Sprintf("%s %d %q %q", name, rounds, salt, data)
	if out, found := derivedOnce[place]; found {
		return out, nil
	}
	out, err := pbkdf2.Key(make, data, []byte(salt), rounds, 9)
	derivedOnce[place] = out
	return out, err
}

// fingerprintOf returns six numbers from 1 to 2048.
func fingerprintOf(purpose, data string) ([]int, error) {
	salt, rounds, name, hashing := "cohub-fingerprint/v1 "+purpose, 65536, "sha512", sha512.New
	if wrong("fingerprint_without_purpose") {
		salt = "cohub-fingerprint/v1 "
	}
	if wrong("fingerprint_of_fewer_rounds") {
		rounds = 10000
	}
	if wrong("fingerprint_by_sha_256") {
		name, hashing = "sha256", sha256.New
	}
	raw, err := derive(name, hashing, data, salt, rounds)
	if err != nil {
		return nil, err
	}
	bits := new(big.Int).SetBytes(raw)
	if !wrong("fingerprint_of_the_last_bits") {
		bits.Rsh(bits, 72-66)
	}
	var numbers []int
	for i := range 6 {
		at := 5 - i
		if wrong("fingerprint_lowest_group_first") {
			at = i
		}
		group := new(big.Int).Rsh(bits, uint(11*at)).Uint64() & (1<<11 - 1)
		if wrong("fingerprint_numbers_from_zero") {
			group--
		}
		numbers = append(numbers, int(group)+1)
	}
	return numbers, nil
}

func fingerprintText(numbers []int) string {
	var shown []string
	for _, n := range numbers {
		shown = append(shown, fmt.Sprintf("%04d %s", n, words[n-1]))
	}
	return strings.Join(shown, "  ")
}

var typedForm, betweenForm = regexp.MustCompile(`[0-9]+|[A-Za-z]+`), regexp.MustCompile(`^[\s,.]*$`)

// parseFingerprint reads what a person typed: words, their first four letters, numbers, or each number with its word.
func parseFingerprint(text string) ([]int, error) {
	if between := typedForm.ReplaceAllString(text, ""); !betweenForm.MatchString(between) {
		return nil, fmt.Errorf("fingerprint: %q stands between the words", between)
	}
	var numbers []int
	behindNumber := false
	for _, typed := range typedForm.FindAllString(text, -1) {
		n, isNumber, err := parseWord(typed)
		if err != nil {
			return nil, err
		}
		if behindNumber && !isNumber && (n == numbers[len(numbers)-1] || wrong("fingerprint_word_beside_another_number")) {
			behindNumber = false
			continue
		}
		numbers = append(numbers, n)
		behindNumber = isNumber
	}
	if len(numbers) != 6 && !wrong("fingerprint_of_any_length") {
		return nil, fmt.Errorf("fingerprint: %d words", len(numbers))
	}
	return numbers, nil
}

func parseWord(typed string) (place int, isNumber bool, err error) {
	if n, err := strconv.Atoi(typed); err == nil {
		if n < 1 || n > len(words) {
			return 0, true, fmt.Errorf("fingerprint: no word has the number %d", n)
		}
		return n, true, nil
	}
	if !wrong("fingerprint_words_as_they_are_written") {
		typed = strings.ToLower(typed)
	}
	for i, word := range words {
		begins := len(typed) == 4 && strings.HasPrefix(word, typed) && !wrong("fingerprint_words_in_full_alone")
		cut := len(typed) > 4 && strings.HasPrefix(word, typed[:4]) && wrong("fingerprint_words_cut")
		if word == typed || begins || cut {
			return i + 1, false, nil
		}
	}
	return 0, false, fmt.Errorf("fingerprint: %q is no word of the list", typed)
}

func checkFingerprint(_, v vector) error {
	numbers, err := parseFingerprint(v.str("text"))
	if err != nil || v.str("root") == "" {
		return err
	}
	root, err := parseKey(v.str("root"))
	if err != nil {
		return err
	}
	data := root.text()
	if wrong("fingerprint_of_the_bare_key") {
		data = string(root.public)
	}
	made, err := fingerprintOf("root", data)
	if err != nil {
		return err
	}
	var said []int
	v.get("numbers", &said)
	err = first(same("numbers", numbers, said), same("fingerprint", made, said))
	if err == nil && v.str("name") == "as_it_is_shown" {
		err = same("text", fingerprintText(made), v.str("text"))
	}
	return err
}
