package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// HQ's log: PROTOCOL.md, section 15. A seal (section 6) has the same text.

type checkpoint struct {
	origin     string
	size       int64
	root       hash
	extensions []string
}

func (c checkpoint) text() string {
	out := fmt.Sprintf("%s\n%d\n%s\n", c.origin, c.size, base64.StdEncoding.EncodeToString(c.root[:]))
	for _, line := range c.extensions {
		out += line + "\n"
	}
	return out
}

func parseCheckpoint(text string) (checkpoint, error) {
	var c checkpoint
	lines, err := textLines(text)
	if err != nil || len(lines) < 3 {
		return c, fmt.Errorf("checkpoint: expected origin, size and root")
	}
	for _, line := range lines {
		if line == "" && !wrong("empty_extension_line_taken") {
			return c, fmt.Errorf("checkpoint: an empty line")
		}
	}
	c.origin, c.extensions = lines[0], lines[3:]
	if c.size, err = parseNumber(lines[1]); err != nil {
		return c, err
	}
	raw, err := unbase64(lines[2])
	if err != nil {
		return c, err
	}
	c.root, err = parseHash(raw)
	return c, err
}

func openCheckpoint(data []byte) (checkpoint, note, error) {
	n, err := parseNote(data)
	if err != nil {
		return checkpoint{}, n, err
	}
	c, err := parseCheckpoint(n.text)
	return c, n, err
}

// cosignedMessage returns the bytes that a cosigner signs at a time.
func cosignedMessage(text string, k key, seconds uint64) ([]byte, error) {
	if seconds > math.MaxInt64 && !wrong("cosigned_at_any_time") {
		return nil, fmt.Errorf("cosignature: a time of more than 63 bits")
	}
	c, err := parseCheckpoint(text)
	if err != nil {
		return nil, err
	}
	if c.size == 0 && c.root != (edge{}).root() && !wrong("empty_log_with_any_root") {
		return nil, fmt.Errorf("cosignature: size 0 with another root than the hash of nothing")
	}
	if k.alg == algWitness {
		if wrong("cosignature_without_time_line") {
			return []byte("cosignature/v1\n" + text), nil
		}
		return []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", seconds, text)), nil
	}
	if len(c.extensions) > 0 && !wrong("long_under_extension_lines_taken") {
		return nil, fmt.Errorf("cosignature by 06: extension lines are not signed")
	}
	name := k.name
	if wrong("long_message_names_the_origin_twice") {
		name = c.origin
	}
	out := append([]byte("subtree/v1\n\x00"), byte(len(name)))
	out = append(out, name...)
	out = binary.BigEndian.AppendUint64(out, seconds)
	out = append(append(out, byte(len(c.origin))), c.origin...)
	out = binary.BigEndian.AppendUint64(out, 0)
	out = binary.BigEndian.AppendUint64(out, uint64(c.size))
	return append(out, c.root[:]...), nil
}

func verifyCosignature(text string, k key, value []byte) error {
	if len(value) < 9 {
		return fmt.Errorf("cosignature: no time and signature")
	}
	message, err := cosignedMessage(text, k, cosignedAt(value))
	if err != nil {
		return err
	}
	return k.verify(message, value[8:])
}

func cosignedAt(value []byte) uint64 {
	if wrong("time_little_endian") {
		return binary.LittleEndian.Uint64(value[:8])
	}
	return binary.BigEndian.Uint64(value[:8])
}

// Tiles.

func tilePath(level string, index, width int64) string {
	digits := strconv.FormatInt(index, 10)
	for len(digits)%3 != 0 {
		digits = "0" + digits
	}
	path := "tile/" + level
	for at := 0; at < len(digits); at += 3 {
		group := digits[at : at+3]
		if at+3 < len(digits) && !wrong("tile_groups_without_x") {
			group = "x" + group
		}
		path += "/" + group
	}
	if width < 256 && !wrong("partial_tiles_like_full_ones") {
		path += ".p/" + strconv.FormatInt(width, 10)
	}
	return path
}

// logFiles returns every tile and bundle of a log whose entry n is the text `entry <n>`, each by its path.
func logFiles(size int64) (map[string][]byte, hash) {
	entry := func(n int64) []byte { return []byte(fmt.Sprintf("entry %d", n)) }
	row := make([]hash, size)
	for n := range row {
		row[n] = leafHash(entry(int64(n)))
	}
	root := treeOf(row).root()
	files := map[string][]byte{}
	for level := 0; len(row) > 0; level++ {
		var above []hash
		for low := 0; low < len(row); low += 256 {
			part := row[low:min(low+256, len(row))]
			var data []byte
			for _, h := range part {
				data = append(data, h[:]...)
			}
			files[tilePath(strconv.Itoa(level), int64(low/256), int64(len(part)))] = data
			if len(part) == 256 {
				above = append(above, treeOf(part).root())
			}
			if level == 0 {
				var bundle []byte
				for n := low; n < low+len(part); n++ {
					e := entry(int64(n))
					if wrong("bundle_lengths_little_endian") {
						bundle = append(binary.LittleEndian.AppendUint16(bundle, uint16(len(e))), e...)
						continue
					}
					bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(e))), e...)
				}
				files[tilePath("entries", int64(low/256), int64(len(part)))] = bundle
			}
		}
		row = above
	}
	return files, root
}

func parseBundle(data []byte) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, fmt.Errorf("bundle: a length is cut")
		}
		size := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+size {
			if wrong("cut_entry_taken") {
				size = len(data) - 2
			} else {
				return nil, fmt.Errorf("bundle: an entry is cut")
			}
		}
		entries, data = append(entries, data[2:2+size]), data[2+size:]
	}
	if len(entries) == 0 || len(entries) > 256 && !wrong("bundle_of_any_count") {
		return nil, fmt.Errorf("bundle: %d entries", len(entries))
	}
	return entries, nil
}

// Proofs (tlog-proof).

func verifyProof(text string, leaf hash, keys []key) (checkpoint, error) {
	var c checkpoint
	head, noteText, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" && !wrong("proof_of_any_version") {
		return c, fmt.Errorf("proof: no header or no empty line")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		extra, err := unbase64(lines[0][6:])
		if err != nil && !wrong("extra_not_read") || len(extra) > 40_000 {
			return c, fmt.Errorf("proof: extra data")
		}
		lines = lines[1:]
	}
	found2, err := fields(lines, "index")
	if err != nil {
		return c, err
	}
	index, err := parseNumber(found2["index"])
	if err != nil {
		return c, err
	}
	if len(lines)-1 > 63 {
		return c, fmt.Errorf("proof: a path of %d hashes", len(lines)-1)
	}
	var path []hash
	for _, encoded := range lines[1:] {
		raw, err := unbase64(encoded)
		if err != nil {
			return c, err
		}
		h, err := parseHash(raw)
		if err != nil {
			return c, err
		}
		path = append(path, h)
	}
	c, n, err := openCheckpoint([]byte(noteText))
	if err != nil {
		return c, err
	}
	by, err := n.verify(keys)
	if err != nil {
		return c, err
	}
	if by.name != c.origin && !wrong("proof_by_any_key") {
		return c, fmt.Errorf("proof: signed by %q, not by the log", by.name)
	}
	if wrong("index_not_looked_at") && c.size > 1 {
		return c, nil
	}
	return c, verifyInclusion(leaf, index, c.size, path, c.root)
}
