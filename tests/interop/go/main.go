// Command interop reads what cohub wrote with other people's packages: the notes and trees of Go's checksum database
// (golang.org/x/mod/sumdb), the proofs of github.com/transparency-dev/merkle, and the cosignatures and tlog-proofs of
// github.com/transparency-dev/formats, whose ML-DSA is filippo.io/mldsa. It also writes notes for cohub to read.
//
// Without arguments one JSON document comes in and one goes out; every answer is an error text, empty where all is well.
//
//	interop log DIRECTORY VKEY...
//
// checks a log that is served from a directory: every key has signed its checkpoint, and every tile and entry stands
// under its root. One JSON object goes out; the exit status is 1 where something is wrong.
package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type noteCase struct {
	Data []byte   `json:"data"` // base64 in JSON
	Keys []string `json:"keys"`
}

type treeCase struct {
	Leaves []string    `json:"leaves"` // leaf hashes, hex, of the whole tree
	Roots  []string    `json:"roots"`  // of every size from 0
	Proofs []proofCase `json:"proofs"`
}

type proofCase struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Path  []string `json:"path"`
}

type signCase struct {
	Text string `json:"text"`
	Key  string `json:"key"` // a private key, or empty for a new one named by Name
	Name string `json:"name"`
}

type request struct {
	Notes       []noteCase        `json:"notes"`
	Trees       []treeCase        `json:"trees"`
	Signs       []signCase        `json:"signs"`
	Inclusion   []inclusionCase   `json:"inclusion"`
	Consistency []consistencyCase `json:"consistency"`
	Proofs      []tlogProofCase   `json:"proofs"`
}

type signed struct {
	Data  []byte `json:"data"`
	VKey  string `json:"vkey"`
	Error string `json:"error"`
}

type answer struct {
	Notes       []string  `json:"notes"`
	Trees       []string  `json:"trees"`
	Signs       []signed  `json:"signs"`
	Inclusion   []verdict `json:"inclusion"`
	Consistency []verdict `json:"consistency"`
	Proofs      []string  `json:"proofs"`
}

func main() {
	if len(os.Args) > 3 && os.Args[1] == "log" {
		said := checkLog(os.Args[2], os.Args[3:])
		if err := json.NewEncoder(os.Stdout).Encode(said); err != nil || said.Error != "" {
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: interop < CASES, or interop log DIRECTORY VKEY...")
		os.Exit(2)
	}
	var in request
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := answer{[]string{}, []string{}, []signed{}, []verdict{}, []verdict{}, []string{}}
	for _, c := range in.Notes {
		out.Notes = append(out.Notes, text(checkNote(c)))
	}
	for _, c := range in.Trees {
		out.Trees = append(out.Trees, text(checkTree(c)))
	}
	for _, c := range in.Signs {
		out.Signs = append(out.Signs, sign(c))
	}
	for _, c := range in.Inclusion {
		out.Inclusion = append(out.Inclusion, checkInclusion(c))
	}
	for _, c := range in.Consistency {
		out.Consistency = append(out.Consistency, checkConsistency(c))
	}
	for _, c := range in.Proofs {
		out.Proofs = append(out.Proofs, text(checkTlogProof(c)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		os.Exit(1)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func checkNote(c noteCase) error {
	keys, err := verifiers(c.Keys)
	if err != nil {
		return err
	}
	_, err = note.Open(c.Data, note.VerifierList(keys...))
	return err
}

// verifiers reads keys of note signatures (0x01) by Go's own package and keys of cosigners (0x04, 0x06) by formats'.
func verifiers(vkeys []string) ([]note.Verifier, error) {
	var found []note.Verifier
	for _, vkey := range vkeys {
		read := note.NewVerifier
		if cosigner(vkey) {
			read = cosignature.NewVerifierForCosignatureV1
		}
		verifier, err := read(vkey)
		if err != nil {
			return nil, err
		}
		found = append(found, verifier)
	}
	return found, nil
}

// cosigner tells whether a key's text, public or private, is of an algorithm of cosignatures.
func cosigner(key string) bool {
	parts := strings.SplitN(strings.TrimPrefix(key, "PRIVATE+KEY+"), "+", 3) // base64 may hold more of them
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	return err == nil && len(raw) > 0 && (raw[0] == 4 || raw[0] == 6)
}

// checkTree grows the tree by Go's stored hashes, so that nothing of cohub's arithmetic is used.
func checkTree(c treeCase) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	leaves, err := hashes(c.Leaves)
	if err != nil {
		return err
	}
	roots, err := hashes(c.Roots)
	if err != nil {
		return err
	}
	for n := int64(0); n <= int64(len(leaves)); n++ {
		root, err := tlog.TreeHash(n, reader)
		if err != nil {
			return err
		}
		if n > 0 && root != roots[n] {
			return fmt.Errorf("root of size %d: Go finds %x, cohub %x", n, root[:], roots[n][:])
		}
		if n < int64(len(leaves)) {
			more, err := tlog.StoredHashesForRecordHash(n, leaves[n], reader)
			if err != nil {
				return err
			}
			stored = append(stored, more...)
		}
	}
	for _, p := range c.Proofs {
		path, err := hashes(p.Path)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(tlog.RecordProof(path), p.Size, roots[p.Size], p.Index, leaves[p.Index]); err != nil {
			return fmt.Errorf("leaf %d of %d: %w", p.Index, p.Size, err)
		}
	}
	return nil
}

func hashes(texts []string) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(texts))
	for i, s := range texts {
		raw, err := hex.DecodeString(s)
		if err != nil || len(raw) != tlog.HashSize {
			return nil, fmt.Errorf("not a hash: %q", s)
		}
		copy(found[i][:], raw)
	}
	return found, nil
}

func sign(c signCase) signed {
	key, vkey := c.Key, ""
	if key == "" {
		var err error
		if key, vkey, err = note.GenerateKey(rand.Reader, c.Name); err != nil {
			return signed{Error: err.Error()}
		}
	}
	var signer note.Signer
	var err error
	if cosigner(key) {
		signer, err = cosignature.NewSignerForCosignatureV1(key)
	} else {
		signer, err = note.NewSigner(key)
	}
	if err != nil {
		return signed{Error: err.Error()}
	}
	data, err := note.Sign(&note.Note{Text: c.Text}, signer)
	return signed{data, vkey, text(err)}
}
