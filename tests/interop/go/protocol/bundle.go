package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Evidence bundles: PROTOCOL.md, section 17.

var spanPath = regexp.MustCompile(`^lanes/([0-9]{6})-([a-z0-9-]+)-([0-9a-f]{8})/([0-9]{12})-([0-9]{12})/`)

// span is what one receipt covers.
type span struct {
	folder, center, origin string
	first, last            int64
	receipt                receipt
}

type manifestJSON struct {
	Files map[string]struct {
		SHA256 string `json:"sha256"`
		Bytes  int    `json:"bytes"`
	} `json:"files"`
}

func examine(files map[string][]byte, root key) error {
	if err := checkSums(files); err != nil && !wrong("sums_not_compared") {
		return err
	}
	t, err := openTrust(files["trust.note"], root)
	if err != nil {
		return err
	}
	spans, err := spansOf(files, t)
	if err != nil {
		return err
	}
	var logKeys []key
	logKeys = append(logKeys, t.keys["log"]...)
	known, hq := ring{}, edge{}
	schemas := map[string]schema{}
	for path, data := range files {
		if strings.HasPrefix(path, "schemas/") {
			s, err := parseSchema(data)
			if err != nil {
				return err
			}
			schemas["urn:sha256:"+s.hex()] = s
		}
	}
	history := map[int64]ring{0: known}
	newer := false
	for _, s := range spans {
		proof := string(files[s.folder+"receipt.tlog-proof"])
		n, _ := parseNote(files[s.folder+"receipt.note"])
		if _, err := verifyProof(proof, leafHash([]byte(n.text)), logKeys); err != nil && !wrong("receipts_not_looked_up_in_the_log") {
			return fmt.Errorf("%s: %w", s.folder, err)
		}
		c, sealNote, err := openCheckpoint(files[s.folder+"seal.note"])
		if err != nil || c.origin != s.origin || c.size != s.last || c.root != s.receipt.root {
			return fmt.Errorf("%s: the seal is not of this receipt", s.folder)
		}
		if s.center == "hq" {
			var keys []key
			for _, k := range t.keys["hq"] {
				keys = append(keys, k.named(s.origin))
			}
			if _, err := sealNote.verify(keys); err != nil {
				return err
			}
			for sequence := s.first; sequence <= s.last; sequence++ {
				data, found := files[eventPath(s, sequence, "event")]
				if !found || hq.size != sequence-1 {
					return fmt.Errorf("hq lane: event %d is missing", sequence)
				}
				hq = hq.append(leafHash(data))
				known = keysAfter(known, data, schemas)
				newer = newer || isNewer(data, schemas)
				history[sequence] = known
			}
			if hq.root() != s.receipt.root && !wrong("hq_lane_not_compared_with_its_receipts") {
				return fmt.Errorf("hq lane: another root at %d", s.last)
			}
			continue
		}
		if _, known := history[s.receipt.basis]; !known && wrong("basis_beyond_the_hq_lane_taken") {
			continue
		}
		if history[s.receipt.basis].check(s.center, "seal", s.origin, sealNote) != good {
			return fmt.Errorf("%s: the seal is by no key of %s at basis %d", s.folder, s.center, s.receipt.basis)
		}
		for sequence := s.first; sequence <= s.last; sequence++ {
			data, found := files[eventPath(s, sequence, "event")]
			if !found {
				continue // a bundle of one entity has its events alone
			}
			aside, found := files[eventPath(s, sequence, "key")]
			event, _ := splitCanonical(data)
			if subject, _ := event.get("ce_subject"); found && string(aside) != string(subject) && wrong("kafka_key_in_a_bundle_judged") {
				return fmt.Errorf("%s: event %d under another key", s.folder, sequence)
			}
			text := string(files[eventPath(s, sequence, "tlog-proof")])
			if err := laneProof(text, leafHash(data), sequence, c, history[s.receipt.basis], s); err != nil {
				return fmt.Errorf("%s: event %d: %w", s.folder, sequence, err)
			}
		}
	}
	if newer && !wrong("newer_is_proved") {
		if wrong("newer_is_bad") {
			return fmt.Errorf("rules, types or schemas that nobody knows")
		}
		return errNewer
	}
	return judgeBundle(files, spans)
}

var errNewer = errors.New("the bundle is newer than this checker")

// isNewer returns whether an event of the hq lane is of a type that nobody knows, or adopts such rules.
func isNewer(data []byte, schemas map[string]schema) bool {
	r, _ := splitCanonical(data)
	typ, _ := r.get("ce_type")
	if _, found := rules().Events[string(typ)]; !found {
		return true
	}
	if string(typ) != "net.cohub.rules.adopted.v1" {
		return false
	}
	dataschema, _ := r.get("ce_dataschema")
	s, found := schemas[string(dataschema)]
	if !found {
		return true
	}
	body, err := s.decode(r.value)
	if err != nil {
		return true
	}
	_, found = rules().Rules[fmt.Sprint(body["number"])]
	return !found
}

// checkBundleOf makes the check of a row by the list that it stands in.
func checkBundleOf(file, v vector, kind string) func() error {
	return func() error {
		err := checkBundle(file, v)
		switch {
		case kind == "good":
			return err
		case kind == "newer" && errors.Is(err, errNewer), kind == "bad" && err != nil && !errors.Is(err, errNewer):
			return nil
		}
		return fmt.Errorf("expected %s, got %v", kind, err)
	}
}

// laneProof verifies that the sealed lane has an event in its place.
func laneProof(text string, leaf hash, sequence int64, c checkpoint, r ring, s span) error {
	var keys []key
	for _, k := range r {
		if k.center == s.center && k.purpose == "seal" && k.key.alg == algEd25519 {
			keys = append(keys, k.key.named(s.origin))
		}
	}
	if !strings.Contains(text, fmt.Sprintf("\nindex %d\n", sequence-1)) && !wrong("event_at_any_index") {
		return fmt.Errorf("a proof of another index")
	}
	said, err := verifyProof(text, leaf, keys)
	if wrong("event_proofs_not_read") {
		return nil
	}
	if err == nil && (said.root != c.root || said.size != c.size) {
		err = fmt.Errorf("a proof in another tree")
	}
	return err
}

func eventPath(s span, sequence int64, kind string) string {
	return fmt.Sprintf("%sevents/%012d.%s", s.folder, sequence, kind)
}

func checkSums(files map[string][]byte) error {
	listed := map[string]string{}
	lines, err := textLines(string(files["SHA256SUMS"]))
	if err != nil {
		return err
	}
	for _, line := range lines {
		sum, path, _ := strings.Cut(line, "  ")
		listed[path] = sum
	}
	var said manifestJSON
	if err := json.Unmarshal(files["manifest.json"], &said); err != nil {
		return err
	}
	for path, data := range files {
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		if path == "SHA256SUMS" {
			continue
		}
		if listed[path] != sum {
			return fmt.Errorf("%s: not as SHA256SUMS says", path)
		}
		if row, found := said.Files[path]; path != "manifest.json" && (!found || row.SHA256 != sum || row.Bytes != len(data)) {
			return fmt.Errorf("%s: not as the manifest says", path)
		}
	}
	if len(listed) != len(files)-1 || len(said.Files) != len(files)-2 {
		return fmt.Errorf("files are listed that are not there")
	}
	return nil
}

func spansOf(files map[string][]byte, t trust) ([]span, error) {
	folders := map[string]span{}
	for path := range files {
		if m := spanPath.FindStringSubmatch(path); m != nil {
			first, _ := strconv.ParseInt(m[4], 10, 64)
			last, _ := strconv.ParseInt(m[5], 10, 64)
			folders[m[0]] = span{folder: m[0], center: m[2], origin: t.hub + "/" + m[2] + "/" + m[3], first: first, last: last}
		}
	}
	var out []span
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		s := folders[folder]
		n, by, err := openNote(files[folder+"receipt.note"], t.keys["receipts"])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", folder, err)
		}
		if s.receipt, err = parseReceipt(n.text); err != nil {
			return nil, err
		}
		if since, gone := t.retiredAt(by); gone && !s.receipt.recordedAt.Before(since) {
			return nil, fmt.Errorf("%s: by a retired key", folder)
		}
		if s.receipt.origin != s.origin || s.receipt.first != s.first || s.receipt.last != s.last {
			return nil, fmt.Errorf("%s: the receipt is of another folder", folder)
		}
		out = append(out, s)
	}
	return out, nil
}

// keysAfter returns the centers' keys after one event of the hq lane.
func keysAfter(known ring, data []byte, schemas map[string]schema) ring {
	r, ok := splitCanonical(data)
	typ, _ := r.get("ce_type")
	if !ok || !strings.HasPrefix(string(typ), "net.cohub.center.") {
		return known
	}
	dataschema, _ := r.get("ce_dataschema")
	s, found := schemas[string(dataschema)]
	if !found {
		return known
	}
	body, err := s.decode(r.value)
	if err != nil {
		return known
	}
	rows, carries := body["keys"].([]any)
	subject, _ := r.get("ce_subject")
	center := strings.TrimPrefix(string(subject), "hq:")
	if !carries {
		return known
	}
	out := slices.DeleteFunc(slices.Clone(known), func(k ringKey) bool { return k.center == center })
	for _, row := range rows {
		said := row.(map[string]any)
		if k, err := parseKey(said["vkey"].(string)); err == nil {
			out = append(out, ringKey{center, said["purpose"].(string), k, said["status"] == "active"})
		}
	}
	return out
}

// splitCanonical returns the record whose canonical bytes these are.
func splitCanonical(data []byte) (record, bool) {
	block, rest, ok := cutNetstring(data)
	r := record{value: rest}
	for ok && len(block) > 0 {
		var name, value []byte
		if name, block, ok = cutNetstring(block); !ok {
			return r, false
		}
		if len(block) > 0 && block[0] == '-' {
			block = block[1:]
		} else if value, block, ok = cutNetstring(block); !ok {
			return r, false
		}
		r.headers = append(r.headers, header{string(name), value})
	}
	return r, ok
}

func cutNetstring(data []byte) ([]byte, []byte, bool) {
	digits, rest, found := strings.Cut(string(data[:min(len(data), 12)]), ":")
	size, err := strconv.Atoi(digits)
	at := len(digits) + 1
	if !found || err != nil || at+size >= len(data) || data[at+size] != ',' {
		return nil, nil, false
	}
	_ = rest
	return data[at : at+size], data[at+size+1:], true
}

var (
	bundleRead = map[string]map[string][]byte{}
	bundleMade = map[string][]byte{}
)

func checkBundle(file, v vector) error {
	path := file.str("bundle")
	if own := v.str("bundle"); own != "" {
		path = own
	}
	if bundleRead[path] == nil {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(schemasDir), path))
		if err != nil {
			return err
		}
		if bundleRead[path], err = readZip(data); err != nil {
			return err
		}
	}
	data, made := bundleMade[v.str("name")]
	if !made {
		files := maps.Clone(bundleRead[path])
		changed(files, v)
		if change := v.sub("change"); change != nil && string(change["again"]) == "true" {
			sumsAgain(files)
		}
		kind := v.str("zip")
		if kind == "" && v.sub("change") != nil {
			kind = "stored" // what is tried is not the packing
		}
		data = writeZip(files, kind)
		bundleMade[v.str("name")] = data
	}
	root, err := parseKey(v.str("root"))
	if err != nil {
		return err
	}
	read, err := readZip(data)
	if err != nil {
		return err
	}
	return examine(read, root)
}

func sumsAgain(files map[string][]byte) {
	if data, found := files["manifest.json"]; found {
		var said map[string]any
		if err := json.Unmarshal(data, &said); err != nil {
			panic(err)
		}
		rows := map[string]any{}
		for path, content := range files {
			if path != "manifest.json" && path != "SHA256SUMS" {
				rows[path] = map[string]any{"bytes": len(content), "sha256": fmt.Sprintf("%x", sha256.Sum256(content)), "what": ""}
			}
		}
		said["files"] = rows
		files["manifest.json"], _ = json.MarshalIndent(said, "", "  ")
	}
	out := ""
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if path != "SHA256SUMS" {
			out += fmt.Sprintf("%x  %s\n", sha256.Sum256(files[path]), path)
		}
	}
	files["SHA256SUMS"] = []byte(out)
}

func checkTopic(_, v vector) error {
	center := v.str("center")
	if !centerID.MatchString(center) || reserved[center] && !wrong("reserved_id_has_topics") {
		return fmt.Errorf("no center")
	}
	table := crc32.IEEETable
	if wrong("another_crc_32") {
		table = crc32.MakeTable(crc32.Castagnoli)
	}
	partition := crc32.Checksum([]byte(center), table) % 8
	if wrong("partition_of_16") {
		partition = crc32.Checksum([]byte(center), table) % 16
	}
	return first(same("in", "in."+center, v.str("in")), same("out", "out."+center, v.str("out")),
		same("partition", int64(partition), v.num("partition")))
}
