package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
)

// Join requests: PROTOCOL.md, section 18.

func parseJoin(data []byte) error {
	row, err := readJSON(data)
	if err != nil {
		return err
	}
	if sortedJSON(row, "") != string(data) && !wrong("join_of_any_form") {
		return fmt.Errorf("join: not its one form")
	}
	said, err := textsOf(row, "format", "hub", "center", "invitation", "root")
	if err := first(err, named(row, "format", "hub", "center", "invitation", "root", "notes", "scram")); err != nil {
		return err
	}
	hub, center := said["hub"], said["center"]
	if said["format"] != "cohub-join/v1" && !wrong("join_of_any_format") || !hubName.MatchString(hub) ||
		!centerID.MatchString(center) || reserved[center] || !invitationForm.MatchString(said["invitation"]) {
		return fmt.Errorf("join: %v", said)
	}
	root, err := parseKey(said["root"])
	if err != nil || (root.name != hub+"/root" || root.alg != algEd25519) && !wrong("join_to_any_root") {
		return fmt.Errorf("join: root %.60q", said["root"])
	}
	notes, _ := row["notes"].([]any)
	if err := checkJoinNotes(hub, center, notes); err != nil {
		return err
	}
	scram, _ := row["scram"].(map[string]any)
	return checkScram(scram)
}

func checkJoinNotes(hub, center string, notes []any) error {
	kinds, seen := "", map[string]bool{}
	for _, value := range notes {
		text, _ := value.(string)
		e, err := openEnrolment([]byte(text))
		if err != nil {
			return err
		}
		if (e.hub != hub || e.center != center) && !wrong("join_with_the_keys_of_another") {
			return fmt.Errorf("join: a key of %s", e.center)
		}
		if seen[string(e.key.public)] && !wrong("join_with_one_key_for_two_uses") {
			return fmt.Errorf("join: one key for two uses")
		}
		seen[string(e.key.public)] = true
		kinds += fmt.Sprintf("%s %02x ", e.purpose, e.key.alg)
	}
	short := kinds == "seal 01 " && wrong("join_without_witness_key")
	if kinds != "seal 01 witness 04 " && kinds != "seal 01 witness 04 seal 06 " && !short && !wrong("join_with_keys_of_any_kind") {
		return fmt.Errorf("join: keys %s", kinds)
	}
	return nil
}

func checkScram(row map[string]any) error {
	said, err := textsOf(row, "mechanism", "salt", "salted_password")
	if err := first(err, named(row, "mechanism", "salt", "iterations", "salted_password")); err != nil {
		return err
	}
	salt, err1 := unbase64(said["salt"])
	salted, err2 := unbase64(said["salted_password"])
	written, _ := row["iterations"].(json.Number)
	iterations, err3 := strconv.Atoi(written.String())
	if err := first(err1, err2, err3); err != nil {
		return err
	}
	if said["mechanism"] != "SCRAM-SHA-512" && !wrong("join_by_any_mechanism") ||
		(len(salt) < 16 || len(salt) > 64) && !wrong("join_with_any_salt") ||
		(iterations < 4096 || iterations > 16384) && !wrong("join_with_any_iterations") ||
		len(salted) != 64 && !wrong("join_with_any_password") {
		return fmt.Errorf("join: what the broker is to know the center by")
	}
	return nil
}

// bothWays returns the bundle that the vectors of joins.json are for.
var bothWays = sync.OnceValue(func() vector {
	var file vector
	data, err := os.ReadFile(filepath.Join(schemasDir, "vectors", "invitations.json"))
	if err == nil {
		err = json.Unmarshal(data, &file)
	}
	if err != nil {
		panic(err)
	}
	return file.rows("good")[0]
})

var privateForm = regexp.MustCompile(`private key is ([0-9a-f]{64})`)

// openJoin decrypts a join request that was made by the bundle.
func openJoin(file vector, sent []byte) ([]byte, error) {
	i, err := parseInvitation(bothWays().bytes())
	if err != nil {
		return nil, err
	}
	private, err := hex.DecodeString(privateForm.FindStringSubmatch(file.str("about"))[1])
	if err != nil {
		return nil, err
	}
	proof, err := hkdf.Expand(sha256.New, i.secret, "cohub-invitation/v1 join request", 32)
	if err != nil {
		return nil, err
	}
	if wrong("join_info_with_the_secret") {
		proof = i.secret
	}
	info := "cohub-join/v1\n"
	for _, part := range []string{i.hub, i.center, i.id, string(proof)} {
		if wrong("join_info_without_lengths") {
			info += part
		} else {
			info += fmt.Sprintf("%d:%s,", len(part), part)
		}
	}
	return openHPKE(private, info, sent)
}

func checkJoin(file, v vector) error {
	if v.str("text") == "" {
		_, err := openJoin(file, v.hex("sealed"))
		return err
	}
	text := v.bytes()
	if err := parseJoin(text); err != nil || v.str("sealed") == "" {
		return err
	}
	opened, err := openJoin(file, v.hex("sealed"))
	if err != nil {
		return err
	}
	known := text
	if wrong("join_known_by_what_was_sent") {
		known = v.hex("sealed")
	}
	purpose := "join"
	if wrong("join_fingerprint_like_a_root_key") {
		purpose = "root"
	}
	numbers, err := fingerprintOf(purpose, string(text))
	if err != nil {
		return err
	}
	return first(same("opened", string(opened), string(text)), same("request", fmt.Sprintf("%x", sha256.Sum256(known)), v.str("request")),
		same("fingerprint", fingerprintText(numbers), v.str("fingerprint")))
}
