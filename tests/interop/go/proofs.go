package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	formats "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// inclusionCase and consistencyCase are proofs, good or spoiled: both libraries have to say which.
type inclusionCase struct {
	Leaf  string   `json:"leaf"`
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Root  string   `json:"root"`
	Path  []string `json:"path"`
}

type consistencyCase struct {
	OldSize int64    `json:"old_size"`
	OldRoot string   `json:"old_root"`
	Size    int64    `json:"size"`
	Root    string   `json:"root"`
	Path    []string `json:"path"`
}

// tlogProofCase is a tlog-proof as text, the entry that it is said to prove, and the keys of the log.
type tlogProofCase struct {
	Text string   `json:"text"`
	Leaf string   `json:"leaf"`
	Keys []string `json:"keys"`
}

// verdict is what transparency-dev/merkle and golang.org/x/mod/sumdb/tlog say of one proof.
type verdict struct {
	Merkle string `json:"merkle"`
	Tlog   string `json:"tlog"`
}

func checkInclusion(c inclusionCase) verdict {
	found, err := hashes(append([]string{c.Leaf, c.Root}, c.Path...))
	if err != nil {
		return verdict{text(err), text(err)}
	}
	leaf, root, path := found[0], found[1], found[2:]
	if c.Index < 0 || c.Size < 0 {
		err = errors.New("negative")
		return verdict{text(err), text(err)}
	}
	index, size := uint64(c.Index), uint64(c.Size)
	return verdict{
		text(proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], slices(path), root[:])),
		text(tlog.CheckRecord(tlog.RecordProof(path), c.Size, root, c.Index, leaf)),
	}
}

func checkConsistency(c consistencyCase) verdict {
	found, err := hashes(append([]string{c.OldRoot, c.Root}, c.Path...))
	if err != nil {
		return verdict{text(err), text(err)}
	}
	old, root, path := found[0], found[1], found[2:]
	if c.OldSize < 0 || c.Size < 0 {
		err = errors.New("negative")
		return verdict{text(err), text(err)}
	}
	oldSize, size := uint64(c.OldSize), uint64(c.Size)
	return verdict{
		text(proof.VerifyConsistency(rfc6962.DefaultHasher, oldSize, size, slices(path), old[:], root[:])),
		text(tlog.CheckTree(tlog.TreeProof(path), c.Size, root, c.OldSize, old)),
	}
}

func slices(path []tlog.Hash) [][]byte {
	found := make([][]byte, len(path))
	for i := range path {
		found[i] = path[i][:]
	}
	return found
}

// checkTlogProof reads a proof with transparency-dev/formats and follows it to a checkpoint that the keys have signed.
func checkTlogProof(c tlogProofCase) error {
	var said formats.TLogProof
	if err := said.Unmarshal([]byte(c.Text)); err != nil {
		return err
	}
	if string(said.Marshal()) != c.Text {
		return errors.New("Go would write it in another way")
	}
	keys, err := verifiers(c.Keys)
	if err != nil {
		return err
	}
	opened, err := note.Open(said.Checkpoint, note.VerifierList(keys...))
	if err != nil {
		return err
	}
	head, err := readHead(opened.Text)
	if err != nil {
		return err
	}
	leaf, err := hex.DecodeString(c.Leaf)
	if err != nil {
		return err
	}
	path := make([][]byte, len(said.Hashes))
	for i := range said.Hashes {
		path[i] = said.Hashes[i][:]
	}
	if len(leaf) != sha256.Size {
		return fmt.Errorf("leaf of %d bytes", len(leaf))
	}
	return proof.VerifyInclusion(rfc6962.DefaultHasher, said.Index, uint64(head.N), leaf, path, head.Hash[:])
}
