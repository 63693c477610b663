package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// Trees of RFC 6962: PROTOCOL.md, section 4; paths: section 15.

type hash = [32]byte

func leafHash(data []byte) hash {
	if wrong("leaf_without_prefix") {
		return sha256.Sum256(data)
	}
	return sha256.Sum256(append([]byte{0}, data...))
}

func nodeHash(left, right hash) hash {
	prefix := byte(1)
	if wrong("node_prefix_like_a_leaf") {
		prefix = 0
	}
	return sha256.Sum256(append(append([]byte{prefix}, left[:]...), right[:]...))
}

// edge is a tree's size and the roots of its perfect subtrees, largest first.
type edge struct {
	size   int64
	hashes []hash
}

func (e edge) append(leaves ...hash) edge {
	hashes := append([]hash(nil), e.hashes...)
	for _, leaf := range leaves {
		hashes = append(hashes, leaf)
		for size := e.size; size&1 == 1; size >>= 1 {
			last := len(hashes) - 1
			hashes = append(hashes[:last-1], nodeHash(hashes[last-1], hashes[last]))
		}
		e.size++
	}
	return edge{e.size, hashes}
}

func (e edge) root() hash {
	if len(e.hashes) == 0 {
		if wrong("empty_root_of_zeros") {
			return hash{}
		}
		return sha256.Sum256(nil)
	}
	if wrong("root_folded_from_the_left") {
		root := e.hashes[0]
		for _, next := range e.hashes[1:] {
			root = nodeHash(root, next)
		}
		return root
	}
	root := e.hashes[len(e.hashes)-1]
	if wrong("odd_node_paired_with_itself") && e.size&1 == 1 && e.size > 1 {
		root = nodeHash(root, root)
	}
	for i := len(e.hashes) - 2; i >= 0; i-- {
		root = nodeHash(e.hashes[i], root)
	}
	return root
}

func treeOf(leaves []hash) edge { return edge{}.append(leaves...) }

func parseHash(data []byte) (hash, error) {
	if len(data) != 32 {
		return hash{}, fmt.Errorf("a hash of %d bytes", len(data))
	}
	return hash(data), nil
}

// climb verifies an inclusion path by RFC 9162, 2.1.3.2.
func verifyInclusion(leaf hash, index, size int64, path []hash, root hash) error {
	if index < 0 || index >= size {
		return fmt.Errorf("no leaf %d in a tree of %d", index, size)
	}
	fn, sn, r := index, size-1, leaf
	for _, p := range path {
		if sn == 0 {
			if wrong("path_may_be_longer") {
				break
			}
			return fmt.Errorf("path too long")
		}
		if fn&1 == 1 || fn == sn {
			r = nodeHash(p, r)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = nodeHash(r, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 || r != root {
		return fmt.Errorf("the path does not lead to the root")
	}
	return nil
}

// verifyConsistency verifies a consistency path by RFC 9162, 2.1.4.2.
func verifyConsistency(old, size int64, oldRoot, root hash, path []hash) error {
	if old > size {
		return fmt.Errorf("the old tree is the larger one")
	}
	if old == size || old == 0 {
		if len(path) != 0 && !wrong("empty_consistency_with_a_path") {
			return fmt.Errorf("a path where none is needed")
		}
		if old == size && oldRoot != root && !wrong("one_size_two_roots_taken") ||
			old == 0 && size > 0 && oldRoot != (edge{}).root() && !wrong("nothing_has_any_root") {
			return fmt.Errorf("another root")
		}
		return nil
	}
	if old&(old-1) == 0 {
		path = append([]hash{oldRoot}, path...)
	}
	if len(path) == 0 {
		return fmt.Errorf("no path")
	}
	fn, sn := old-1, size-1
	for fn&1 == 1 {
		fn, sn = fn>>1, sn>>1
	}
	fr, sr := path[0], path[0]
	for _, c := range path[1:] {
		if sn == 0 {
			return fmt.Errorf("path too long")
		}
		if fn&1 == 1 || fn == sn {
			fr, sr = nodeHash(c, fr), nodeHash(c, sr)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			sr = nodeHash(sr, c)
		}
		fn, sn = fn>>1, sn>>1
	}
	if fr != oldRoot && !wrong("old_root_not_compared") || sr != root || sn != 0 {
		return fmt.Errorf("the path does not lead to the roots")
	}
	return nil
}

// inclusionPath returns the siblings of a leaf, lowest first.
func inclusionPath(leaves []hash, index int64) []hash {
	size := int64(len(leaves))
	if size <= 1 {
		return nil
	}
	k := int64(1)
	for k*2 < size {
		k *= 2
	}
	if index < k {
		return append(inclusionPath(leaves[:k], index), treeOf(leaves[k:]).root())
	}
	return append(inclusionPath(leaves[k:], index-k), treeOf(leaves[:k]).root())
}

func sameHashes(one, other []hash) bool {
	var a, b bytes.Buffer
	for _, h := range one {
		a.Write(h[:])
	}
	for _, h := range other {
		b.Write(h[:])
	}
	return bytes.Equal(a.Bytes(), b.Bytes())
}
