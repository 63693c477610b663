package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

// logAnswer is what `interop log DIRECTORY VKEY...` says of a log that is served from a directory (C2SP tlog-tiles).
type logAnswer struct {
	Origin  string   `json:"origin"`
	Size    int64    `json:"size"`
	Root    string   `json:"root"`
	Signers []string `json:"signers"` // names of the keys whose lines are good
	Tiles   int      `json:"tiles"`
	Bundles int      `json:"bundles"`
	Extra   []string `json:"extra"` // files below tile/ that a log of this size has not
	Error   string   `json:"error"`
}

// checkLog opens the checkpoint with all of the keys, and checks every tile and every entry against its root.
func checkLog(directory string, vkeys []string) logAnswer {
	answer := logAnswer{Signers: []string{}, Extra: []string{}}
	answer.Error = text(answer.check(directory, vkeys))
	return answer
}

func (a *logAnswer) check(directory string, vkeys []string) error {
	data, err := os.ReadFile(filepath.Join(directory, "checkpoint"))
	if err != nil {
		return err
	}
	keys, err := verifiers(vkeys)
	if err != nil {
		return err
	}
	opened, err := note.Open(data, note.VerifierList(keys...))
	if err != nil {
		return err
	}
	for _, line := range opened.Sigs {
		a.Signers = append(a.Signers, fmt.Sprintf("%s+%08x", line.Name, line.Hash))
	}
	if len(opened.Sigs) != len(keys) {
		return fmt.Errorf("%d keys were given, %d have signed", len(keys), len(opened.Sigs))
	}
	head, err := readHead(opened.Text)
	if err != nil {
		return err
	}
	a.Origin, a.Size, a.Root = head.origin, head.N, fmt.Sprintf("%x", head.Hash[:])
	tiles := &tileFiles{directory, map[string]bool{}}
	if err := checkTiles(head.Tree, tiles); err != nil {
		return err
	}
	a.Tiles = len(tiles.read)
	if a.Bundles, err = checkEntries(head.Tree, tiles); err != nil {
		return err
	}
	return a.leftover(tiles)
}

// leftover lists what nothing has read: partial tiles of sizes before may stay, anything else is astray.
func (a *logAnswer) leftover(tiles *tileFiles) error {
	root := filepath.Join(tiles.directory, "tile")
	if a.Size == 0 {
		if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(tiles.directory, path)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); !tiles.read[name] {
			a.Extra = append(a.Extra, name)
		}
		return nil
	})
}

type treeHead struct {
	tlog.Tree
	origin string
}

func readHead(body string) (treeHead, error) {
	lines := strings.Split(body, "\n")
	if len(lines) != 4 {
		return treeHead{}, fmt.Errorf("checkpoint of %d lines", len(lines)-1)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return treeHead{}, fmt.Errorf("size %q", lines[1])
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return treeHead{}, err
	}
	return treeHead{tlog.Tree{N: size, Hash: hash}, lines[0]}, nil
}

// tileFiles reads tiles by the paths of C2SP tlog-tiles, which leave out the height that Go's paths begin with.
type tileFiles struct {
	directory string
	read      map[string]bool
}

func (f *tileFiles) Height() int { return height }

func (f *tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (f *tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := f.file("tile/"+strings.TrimPrefix(tile.Path(), "tile/8/"), tile.W*tlog.HashSize)
		if err != nil {
			return nil, err
		}
		found[i] = data
	}
	return found, nil
}

func (f *tileFiles) file(name string, size int) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(f.directory, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	if size >= 0 && len(data) != size {
		return nil, fmt.Errorf("%s has %d bytes, not %d", name, len(data), size)
	}
	f.read[name] = true
	return data, nil
}

// checkTiles reads every tile of the tree through Go's reader, which proves each against the root before it gives it out.
func checkTiles(tree tlog.Tree, files *tileFiles) error {
	if tree.N == 0 {
		hash, err := tlog.TreeHash(0, nil)
		if err == nil && hash != tree.Hash {
			err = errors.New("the empty tree has another root")
		}
		return err
	}
	reader := tlog.TileHashReader(tree, files)
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		if _, err := tlog.ReadTileData(tile, reader); err != nil {
			return fmt.Errorf("%s: %w", tile.Path(), err)
		}
	}
	hash, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if hash != tree.Hash {
		return fmt.Errorf("the tiles' root is %x", hash[:])
	}
	return nil
}

// checkEntries compares every entry with its hash in the tiles that were proved.
func checkEntries(tree tlog.Tree, files *tileFiles) (int, error) {
	bundles := 0
	for n := int64(0); n*width < tree.N; n++ {
		tile := tlog.Tile{H: height, L: 0, N: n, W: int(min(width, tree.N-n*width))}
		hashes, err := files.ReadTiles([]tlog.Tile{tile})
		if err != nil {
			return bundles, err
		}
		name := "tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/")
		data, err := files.file(name, -1)
		if err != nil {
			return bundles, err
		}
		for i := 0; i < tile.W; i++ {
			if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
				return bundles, fmt.Errorf("%s is cut at entry %d", name, i)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			hash := tlog.RecordHash(data[2:end])
			if !bytes.Equal(hash[:], hashes[0][i*tlog.HashSize:(i+1)*tlog.HashSize]) {
				return bundles, fmt.Errorf("%s: entry %d is not that of the tile", name, i)
			}
			data = data[end:]
		}
		if len(data) != 0 {
			return bundles, fmt.Errorf("%s has %d bytes more", name, len(data))
		}
		bundles++
	}
	return bundles, nil
}
