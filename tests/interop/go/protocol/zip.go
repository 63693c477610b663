package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// The zip around a bundle: PROTOCOL.md, section 17. Read by hand: nothing in it is believed.

const (
	localSize, centralSize, endSize = 30, 46, 22
	fileBytesMax                    = 32 << 20
)

var known = regexp.MustCompile(`^(manifest\.json|SHA256SUMS|summary\.html|README\.(en|ru|zh)\.txt|trust\.note` +
	`|log/checkpoint\.note|log/cosignatures-([2-9]|[1-9][0-9])\.note|schemas/[a-z0-9_]{1,40}/[a-z0-9_.]{1,80}\.avsc` +
	`|state/(before|after)/[a-zA-Z0-9._-]{1,160}\.json` +
	`|lanes/[0-9]{6}-[a-z0-9-]{1,63}-[0-9a-f]{8}/[0-9]{12}-[0-9]{12}/(receipt\.note|seal\.note|receipt\.tlog-proof` +
	`|events/[0-9]{12}\.(event|tlog-proof|key)))$`)

func u16(data []byte) int { return int(binary.LittleEndian.Uint16(data)) }
func u32(data []byte) int { return int(binary.LittleEndian.Uint32(data)) }

// readZip returns the files of a bundle.
func readZip(data []byte) (map[string][]byte, error) {
	files := map[string][]byte{}
	if len(data) < endSize {
		return nil, fmt.Errorf("zip: too short")
	}
	end := data[len(data)-endSize:]
	if at := bytes.LastIndex(data, []byte("PK\x05\x06")); at >= 0 && wrong("bytes_behind_a_zip_taken") {
		end, data = data[at:at+endSize], data[:at+endSize]
	}
	if !bytes.HasPrefix(end, []byte("PK\x05\x06")) || u16(end[20:]) != 0 {
		return nil, fmt.Errorf("zip: something is behind its end, or in it")
	}
	count, size, start := u16(end[10:]), u32(end[12:]), u32(end[16:])
	if start+size != len(data)-endSize {
		return nil, fmt.Errorf("zip: the directory is not in its place")
	}
	at, behind := start, 0
	for n := 0; n < count; n++ {
		if at+centralSize > len(data) || !bytes.HasPrefix(data[at:], []byte("PK\x01\x02")) {
			return nil, fmt.Errorf("zip: the directory is cut")
		}
		h := data[at : at+centralSize]
		nameLen, extraLen, commentLen := u16(h[28:]), u16(h[30:]), u16(h[32:])
		name := string(data[at+centralSize : at+centralSize+nameLen])
		extra := data[at+centralSize+nameLen : at+centralSize+nameLen+extraLen]
		at += centralSize + nameLen + extraLen + commentLen
		_, twice := files[name]
		if twice && wrong("first_of_a_name_in_a_zip_counts") {
			behind = u32(h[42:]) + localSize + nameLen + u16(data[u32(h[42:])+28:]) + u32(h[20:])
			continue
		}
		if twice && !wrong("last_of_a_name_in_a_zip_counts") {
			return nil, fmt.Errorf("zip: %s stands twice", name)
		}
		if !known.MatchString(name) && !wrong("any_file_in_a_bundle") {
			return nil, fmt.Errorf("zip: %q is no file of a bundle", name)
		}
		method, packed, full := u16(h[10:]), u32(h[20:]), u32(h[24:])
		if u16(h[8:])&^8 != 0 || method != 0 && method != 8 || full > fileBytesMax || commentLen != 0 {
			return nil, fmt.Errorf("zip: %s: encrypted, packed in another way, too long, or with a comment", name)
		}
		if !harmless(extra) && !wrong("any_extra_field") {
			return nil, fmt.Errorf("zip: %s: an extra field", name)
		}
		offset := u32(h[42:])
		if offset != behind && !wrong("bytes_between_entries_taken") || offset+localSize > len(data) {
			return nil, fmt.Errorf("zip: bytes that are in no entry")
		}
		l := data[offset : offset+localSize]
		if !bytes.Equal(l[6:10], h[8:12]) || !bytes.Equal(l[14:26], h[16:28]) || l[6]&8 != 0 {
			if !wrong("directory_alone_is_believed") {
				return nil, fmt.Errorf("zip: %s: its own header says something else", name)
			}
		}
		from := offset + localSize + u16(l[26:]) + u16(l[28:])
		behind = from + packed
		content := data[from:behind]
		if method == 8 {
			var err error
			content, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(content)), int64(full)+1))
			if err != nil {
				return nil, err
			}
		}
		if len(content) != full || crc32.ChecksumIEEE(content) != uint32(u32(h[16:])) {
			return nil, fmt.Errorf("zip: %s: another length or CRC", name)
		}
		files[name] = content
	}
	if behind != start && !wrong("bytes_between_entries_taken") {
		return nil, fmt.Errorf("zip: bytes before the directory")
	}
	return files, nil
}

func harmless(extra []byte) bool {
	for len(extra) >= 4 {
		switch u16(extra) {
		case 0x000a, 0x5455, 0x5855, 0x7855, 0x7875:
		default:
			return false
		}
		extra = extra[min(len(extra), 4+u16(extra[2:])):]
	}
	return len(extra) == 0
}

// writeZip returns a zip of these files, spoiled in one way.
func writeZip(files map[string][]byte, kind string) []byte {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	if kind == "name_twice" {
		names = append(names, "trust.note")
	}
	another := len(files)
	if kind == "name_twice_the_right_one_last" {
		another = sort.SearchStrings(names, "trust.note")
		names = slices.Insert(names, another, "trust.note")
	}
	var out, directory []byte
	if kind == "bytes_before" {
		out = []byte{0}
	}
	for n, name := range names {
		content, method, flags := files[name], 8, 0
		if n == another {
			content = []byte("another")
		}
		var packed bytes.Buffer
		if kind == "stored" {
			method = 0
			packed.Write(content)
		} else {
			w, _ := flate.NewWriter(&packed, flate.BestSpeed)
			_, _ = w.Write(content)
			_ = w.Close()
		}
		var extra []byte
		if kind == "extra_field" && name == "trust.note" {
			extra = []byte("\x75\x70\x05\x00\x01\x00\x00\x00\x00")
		}
		if kind == "descriptor" {
			flags = 8
		}
		common := binary.LittleEndian.AppendUint16([]byte{20, 0}, uint16(flags))
		common = binary.LittleEndian.AppendUint16(common, uint16(method))
		common = append(common, 0, 0, 0x21, 0)
		sizes := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(content))
		sizes = binary.LittleEndian.AppendUint32(sizes, uint32(packed.Len()))
		sizes = binary.LittleEndian.AppendUint32(sizes, uint32(len(content)))
		lengths := binary.LittleEndian.AppendUint16(nil, uint16(len(name)))
		lengths = binary.LittleEndian.AppendUint16(lengths, uint16(len(extra)))
		directory = append(directory, "PK\x01\x02\x14\x03"...)
		directory = append(append(append(directory, common...), sizes...), lengths...)
		directory = append(directory, make([]byte, 6)...)
		directory = binary.LittleEndian.AppendUint32(directory, 0o100644<<16)
		directory = binary.LittleEndian.AppendUint32(directory, uint32(len(out)))
		directory = append(append(directory, name...), extra...)
		mine := bytes.Clone(sizes)
		if kind == "descriptor" {
			mine = make([]byte, 12)
		}
		if kind == "other_sizes_in_front" && n == 0 {
			mine[8] ^= 1
		}
		out = append(append(append(append(out, "PK\x03\x04"...), common...), mine...), lengths...)
		out = append(append(append(out, name...), extra...), packed.Bytes()...)
		if kind == "descriptor" {
			out = append(append(out, "PK\x07\x08"...), sizes...)
		}
	}
	comment := ""
	if kind == "comment" {
		comment = "believe me"
	}
	end := binary.LittleEndian.AppendUint16([]byte("PK\x05\x06\x00\x00\x00\x00"), uint16(len(names)))
	end = binary.LittleEndian.AppendUint16(end, uint16(len(names)))
	end = binary.LittleEndian.AppendUint32(end, uint32(len(directory)))
	end = binary.LittleEndian.AppendUint32(end, uint32(len(out)))
	end = append(binary.LittleEndian.AppendUint16(end, uint16(len(comment))), comment...)
	out = append(append(out, directory...), end...)
	switch kind {
	case "bytes_behind":
		out = append(out, 0)
	case "cut":
		out = out[:len(out)-1]
	}
	return out
}

func changed(files map[string][]byte, v vector) {
	change := v.sub("change")
	if change == nil {
		return
	}
	if folder := change.str("folder"); folder != "" {
		maps.DeleteFunc(files, func(path string, _ []byte) bool { return strings.HasPrefix(path, folder) })
		return
	}
	if two := change.strs("swap"); two != nil {
		for _, kind := range []string{".event", ".tlog-proof"} {
			files[two[0]+kind], files[two[1]+kind] = files[two[1]+kind], files[two[0]+kind]
		}
		return
	}
	path := change.str("file")
	switch _, isNew := change["new"]; {
	case !isNew:
		delete(files, path)
	case change["old"] == nil:
		files[path] = []byte(change.str("new"))
	default:
		files[path] = []byte(strings.Replace(string(files[path]), change.str("old"), change.str("new"), 1))
	}
}
