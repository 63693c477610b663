package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// What each file of vectors asks. A good vector is read as it says; a bad one is refused.

// refusing makes a check of good and bad vectors from one reader: bad ones are those on which it returns an error.
func refusing(read func(file, v vector) error) func(file, v vector, kind string) func() error {
	return func(file, v vector, kind string) func() error {
		return func() error {
			err := read(file, v)
			if kind == "bad" {
				if _, taken := err.(mismatch); err == nil || taken {
					return fmt.Errorf("was taken: %s", v.str("reason"))
				}
				return nil
			}
			return err
		}
	}
}

// telling makes a check of vectors that say themselves what is to come of them, good or bad.
func telling(read func(file, v vector) error) func(file, v vector, kind string) func() error {
	return func(file, v vector, kind string) func() error { return func() error { return read(file, v) } }
}

var order = []string{"keys", "notes", "records", "framing", "trees", "seals", "receipts", "clocks", "resends", "statuses", "standing", "presence",
	"alarms", "enrolments", "trust", "cosignatures", "consistency", "proofs", "published/checkpoints", "sealed",
	"controls", "witness", "events", "judged", "topics", "states", "lanes", "hq_lane", "tiles", "bundles",
	"fingerprints", "joined", "sessions", "requests", "invitations", "joins"}

var checkers = map[string]func(file, v vector, kind string) func() error{
	"keys":                  refusing(checkKey),
	"notes":                 refusing(checkNote),
	"records":               telling(checkRecord),
	"framing":               refusing(checkValue),
	"trees":                 refusing(checkTree),
	"seals":                 refusing(checkSeal),
	"receipts":              refusing(checkReceipt),
	"clocks":                refusing(checkClock),
	"resends":               refusing(checkResend),
	"statuses":              refusing(checkStatus),
	"standing":              telling(checkStanding),
	"presence":              refusing(checkPresence),
	"alarms":                refusing(checkAlarm),
	"enrolments":            refusing(checkEnrolment),
	"trust":                 refusing(checkTrust),
	"cosignatures":          refusing(checkCosigned),
	"consistency":           refusing(checkConsistency),
	"proofs":                refusing(checkProof),
	"tiles":                 refusing(checkTiles),
	"published/checkpoints": refusing(checkCosigned),
	"sealed":                refusing(checkSealed),
	"lanes":                 telling(checkLane),
	"controls":              telling(checkControl),
	"witness":               telling(checkWitness),
	"events":                telling(checkEvent),
	"judged":                refusing(checkJudged),
	"topics":                refusing(checkTopic),
	"states":                refusing(checkPublished),
	"hq_lane":               telling(checkHqLane),
	"bundles":               checkBundleOf,
	"fingerprints":          refusing(checkFingerprint),
	"joined":                refusing(checkAnswer),
	"sessions":              refusing(checkSession),
	"requests":              refusing(checkRequest),
	"invitations":           refusing(checkInvitation),
	"joins":                 refusing(checkJoin),
}

// extra makes the cases that stand outside the lists of a file.
var extra = func() map[string]func(file vector) []vcase {
	out := map[string]func(file vector) []vcase{}
	for _, name := range order {
		out[name] = func(vector) []vcase { return nil }
	}
	out["seals"] = forkCase
	out["tiles"] = pathCases
	out["sealed"] = shapeCases
	out["states"] = stateCases
	return out
}()

// mismatch says that a vector was taken, and says something else than it should.
type mismatch string

func (m mismatch) Error() string { return string(m) }

func same(what string, got, want any) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return mismatch(fmt.Sprintf("%s: expected %v, got %v", what, want, got))
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkKey(_, v vector) error {
	k, err := parseKey(v.str("vkey"))
	if err != nil || v.str("private") == "" {
		return err
	}
	s, err := parseSigner(v.str("private"))
	if err != nil {
		return err
	}
	return first(same("vkey", s.text(), v.str("vkey")), same("name", k.name, v.str("key_name")), same("key", k.text(), v.str("vkey")))
}

func checkNote(_, v vector) error {
	n, by, err := openNote(v.bytes(), v.keys())
	if err != nil {
		return err
	}
	text := ""
	if raw := v["note_text"]; len(raw) > 0 && raw[0] == '{' {
		text = string(v.sub("note_text").bytes())
	} else {
		text = v.str("note_text")
	}
	return first(same("text", n.text, text), same("signer", by.name, v.str("signer")),
		same("bytes", n.bytes(), v.bytes()))
}

func headersOf(v vector) []header {
	var out []header
	for _, h := range v.rows("headers") {
		value := h.bytes()
		var null bool
		if h.get("null", &null); null {
			value = nil
		} else if value == nil {
			value = []byte{}
		}
		name := h.str("name")
		if _, found := h["name_hex"]; found {
			name = string(h.hex("name_hex"))
		}
		out = append(out, header{name, value})
	}
	return out
}

func recordOf(v vector) record {
	r := record{headers: headersOf(v)}
	if string(v["key"]) != "null" && v["key"] != nil {
		r.key = []byte(v.str("key"))
	}
	if string(v["value"]) != "null" && v["value"] != nil {
		r.value = v.hex("value")
	}
	return r
}

func checkRecord(_, v vector) error {
	r := recordOf(v)
	digest := r.digest()
	place := "null"
	if epoch, sequence, found := r.position(); found {
		place = fmt.Sprintf("[%q,%d]", epoch, sequence)
	}
	want := strings.Join(strings.Fields(string(v["position"])), "")
	err := first(same("canonical", r.canonical(), v.hex("canonical")), same("digest", digest[:], v.hex("digest")),
		same("position", place, want))
	if err != nil {
		return err
	}
	found, said := checkHeaders(r, "uz", 1)
	if said == nil {
		if moment := v.str("time"); moment != "" && found.time.Format(ownForm) != moment {
			return same("time", found.time.Format(ownForm), moment)
		}
		said = &verdict{"ACCEPTED", ""}
	}
	return same("verdict", *said, verdict{v.str("verdict"), v.str("field")})
}

func checkValue(_, v vector) error {
	s, err := parseSchema([]byte(v.str("schema")))
	if err != nil {
		return err
	}
	content, err := s.decode(v.hex("value"))
	if err != nil {
		return err
	}
	if err := first(same("sha256", s.hex(), v.str("sha256")), same("id", int64(s.id), v.num("schema_id"))); err != nil {
		return err
	}
	return sameJSON(plainOf(content), v["content"])
}

// sameJSON compares a decoded value with what a vector says in JSON.
func sameJSON(got any, want json.RawMessage) error {
	data, err := json.Marshal(got)
	if err != nil {
		return err
	}
	var one, other any
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	if err := json.Unmarshal(want, &other); err != nil {
		return err
	}
	return same("content", one, other)
}

func checkTree(_, v vector) error {
	if _, found := v["leaves"]; !found {
		return checkInclusion(v)
	}
	leaves, err := v.hashes("leaves")
	if err != nil {
		return err
	}
	for _, row := range v.rows("sizes") {
		e := treeOf(leaves[:row.num("size")])
		hashes, err := row.hashes("edge")
		if err != nil {
			return err
		}
		root, err := row.hash("root")
		if err := first(err, same("root", e.root(), root)); err != nil {
			return err
		}
		if !sameHashes(e.hashes, hashes) {
			return fmt.Errorf("another edge at %d", e.size)
		}
	}
	for _, row := range v.rows("inclusion") {
		if err := checkInclusion(row); err != nil {
			return err
		}
		path, _ := row.hashes("path")
		if !sameHashes(path, inclusionPath(leaves[:row.num("size")], row.num("index"))) {
			return fmt.Errorf("another path of %d in %d", row.num("index"), row.num("size"))
		}
	}
	return nil
}

func checkInclusion(v vector) error {
	path, err := v.hashes("path")
	if err != nil {
		return err
	}
	leaf, err1 := v.hash("leaf")
	root, err2 := v.hash("root")
	if err := first(err1, err2); err != nil {
		return err
	}
	return verifyInclusion(leaf, v.num("index"), v.num("size"), path, root)
}

func checkConsistency(_, v vector) error {
	path, err := v.hashes("path")
	if err != nil {
		return err
	}
	old, err1 := v.hash("old_root")
	root, err2 := v.hash("root")
	if err := first(err1, err2); err != nil {
		return err
	}
	return verifyConsistency(v.num("old_size"), v.num("size"), old, root, path)
}

const testOrigin = "hub.example/uz/0a1b2c3d"

// checkSeal takes a seal for the lane of trees.json at size 5, or at the size that a good vector names.
func checkSeal(file, v vector) error {
	want, size := file.rows("good")[2], int64(5)
	if v.num("size") != 0 {
		want, size = v, v.num("size")
	}
	c, n, err := openCheckpoint(v.bytes())
	if err != nil {
		return err
	}
	if _, err := n.verify(v.keys()); err != nil {
		return err
	}
	root, err := want.hash("root")
	if wrong("seal_of_another_root_taken") {
		root = c.root
	}
	if wrong("seal_of_another_size_taken") {
		size = c.size
	}
	origin := testOrigin
	if wrong("seal_of_another_lane_taken") {
		origin = c.origin
	}
	if err == nil && (c.origin != origin || c.size != size || c.root != root) {
		err = fmt.Errorf("not the seal of these records")
	}
	return err
}

func forkCase(file vector) []vcase {
	return []vcase{{"fork", func() error {
		good := file.rows("good")[2]
		one, n1, err1 := openCheckpoint(file.sub("fork").sub("one").bytes())
		other, n2, err2 := openCheckpoint(file.sub("fork").sub("other").bytes())
		_, err3 := n1.verify(good.keys())
		_, err4 := n2.verify(good.keys())
		if err := first(err1, err2, err3, err4); err != nil {
			return err
		}
		if one.origin != other.origin || one.size != other.size || one.root == other.root {
			return fmt.Errorf("not a fork")
		}
		return nil
	}}}
}
