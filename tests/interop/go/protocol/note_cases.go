package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// What the files of vectors of notes, proofs and tiles ask.

func checkReceipt(_, v vector) error {
	n, _, err := openNote(v.bytes(), v.keys())
	if err != nil {
		return err
	}
	r, err := parseReceipt(n.text)
	if err != nil {
		return err
	}
	said := v.sub("content")
	if said == nil {
		return nil
	}
	var rows [][]string
	said.get("decisions", &rows)
	for i, d := range r.decisions {
		row := rows[i]
		if len(row) == 3 {
			row = append(row, "")
		}
		field := d.field
		if field == "" {
			field = "-"
		}
		if err := same("decision", []string{fmt.Sprint(d.sequence), d.code, field, d.params}, row); err != nil {
			return err
		}
	}
	return first(same("origin", r.origin, said.str("origin")), same("from", r.first, said.num("from")),
		same("to", r.last, said.num("to")), same("root", r.root[:], said.hex("root")), same("basis", r.basis, said.num("basis")),
		same("decisions", len(r.decisions), len(rows)), same("text", r.text(), n.text))
}

func checkResend(_, v vector) error {
	n, _, err := openNote(v.bytes(), v.keys())
	if err != nil {
		return err
	}
	r, err := parseResend(n.text)
	if said := v.sub("content"); err == nil && said != nil {
		err = first(same("origin", r.origin, said.str("origin")), same("from", r.first, said.num("from")),
			same("reason", r.reason, said.str("reason")))
	}
	return err
}

func checkPresence(_, v vector) error {
	n, _, err := openNote(v.bytes(), v.keys())
	if err != nil {
		return err
	}
	said := v.sub("content")
	if strings.HasPrefix(n.text, "cohub-presence/v2\n") {
		return checkSecondPresence(n.text, said)
	}
	p, err := parsePresence(n.text)
	if err == nil && said != nil {
		reads := strings.Join(announced(p.version), " ")
		err = first(samePresence(p, said), same("reads", reads, strings.Join(said.strs("reads"), " ")))
	}
	return err
}

func checkAlarm(_, v vector) error {
	n, _, err := openNote(v.bytes(), v.keys())
	if err != nil {
		return err
	}
	a, err := parseAlarm(n.text)
	if said := v.sub("content"); err == nil && said != nil {
		err = first(same("center", a.center, said.str("center")), same("size", a.size, said.num("size")),
			same("reason", a.reason, said.str("reason")))
	}
	return err
}

func checkEnrolment(_, v vector) error {
	e, err := openEnrolment(v.bytes())
	if err != nil {
		return err
	}
	if _, err := e.note.verify(v.keys()); err != nil {
		return err
	}
	said := v.sub("content")
	return first(same("hub", e.hub, said.str("hub")), same("center", e.center, said.str("center")),
		same("purpose", e.purpose, said.str("purpose")), same("key", e.key.text(), said.str("vkey")))
}

func checkTrust(_, v vector) error {
	t, err := openTrust(v.bytes(), v.keys()[0])
	if err != nil {
		return err
	}
	said := v.sub("content")
	inUse, gone := []string{}, []string{}
	for _, purpose := range purposes {
		for _, k := range t.keys[purpose] {
			if newest := t.inUse(purpose, k.alg); purpose == "witness" || newest.same(k) {
				inUse = append(inUse, k.text())
			}
		}
	}
	for _, r := range t.retired {
		if _, found := t.retiredAt(r.key); found {
			gone = append(gone, r.key.text())
		}
	}
	return first(same("hub", t.hub, said.str("hub")), same("serial", t.serial, said.num("serial")),
		same("root", t.root.text(), said.str("root")), same("receipts", t.inUse("receipts", algEd25519).text(), said.str("receipts")),
		same("in use", inUse, said.strs("in_use")), same("retired", gone, said.strs("retired")))
}

func checkCosigned(_, v vector) error {
	if v.str("private") != "" {
		return checkKey(nil, v)
	}
	_, n, err := openCheckpoint(v.bytes())
	if err != nil {
		return err
	}
	keys := v.keys()
	if _, err := n.verify(keys); err != nil {
		return err
	}
	last := keys[len(keys)-1]
	for _, k := range keys {
		if n.lineOf(k) == nil {
			return fmt.Errorf("%s has not signed", k.name)
		}
	}
	if l := n.lineOf(last); last.alg != algEd25519 {
		return same("time", int64(cosignedAt(l.value)), v.num("cosigned_at"))
	}
	return nil
}

func checkProof(_, v vector) error {
	leaf, err := v.hash("leaf")
	if err != nil {
		return err
	}
	_, err = verifyProof(v.str("text"), leaf, v.keys())
	return err
}

func checkTiles(_, v vector) error {
	if _, found := v["bundle"]; found {
		_, err := parseBundle(v.hex("bundle"))
		return err
	}
	files, root := logFiles(v.num("size"))
	var said map[string]string
	v.get("files", &said)
	want, err := v.hash("root")
	if err := first(err, same("root", root, want)); err != nil {
		return err
	}
	for path, sum := range said {
		data, found := files[path]
		digest := sha256.Sum256(data)
		if !found || fmt.Sprintf("%x", digest) != sum {
			return fmt.Errorf("%s: missing or of other bytes", path)
		}
	}
	if v.num("size") < 1000 {
		return same("files", len(files), len(said))
	}
	return nil
}

func pathCases(file vector) []vcase {
	var out []vcase
	for _, v := range file.rows("paths") {
		out = append(out, vcase{v.str("name"), func() error {
			level := fmt.Sprint(v.num("level"))
			err := same("tile", tilePath(level, v.num("index"), v.num("width")), v.str("tile"))
			if bundle := v.str("bundle"); bundle != "" && err == nil {
				err = same("bundle", tilePath("entries", v.num("index"), v.num("width")), bundle)
			}
			return err
		}})
	}
	return out
}
