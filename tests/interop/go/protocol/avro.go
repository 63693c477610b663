package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// Values: PROTOCOL.md, section 3; the bodies are Avro 1.12's.

type schema struct {
	sha    [32]byte
	id     uint32
	parsed any
}

func parseSchema(data []byte) (schema, error) {
	s := schema{sha: sha256.Sum256(data)}
	s.id = binary.BigEndian.Uint32(s.sha[:4]) &^ (1 << 31)
	if wrong("schema_id_with_top_bit") {
		s.id = binary.BigEndian.Uint32(s.sha[:4])
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	return s, decoder.Decode(&s.parsed)
}

func (s schema) decode(value []byte) (map[string]any, error) {
	if len(value) < 5 || value[0] != 0 && !wrong("any_magic_byte") {
		return nil, fmt.Errorf("framing: no 00 and schema id")
	}
	id := binary.BigEndian.Uint32(value[1:5])
	if wrong("schema_id_little_endian") {
		id = binary.LittleEndian.Uint32(value[1:5])
	}
	if id != s.id && !wrong("schema_id_not_compared") {
		return nil, fmt.Errorf("framing: schema %08x, expected %08x", id, s.id)
	}
	b := &body{data: value[5:]}
	out := b.read(s.parsed)
	if b.err == nil && b.at != len(b.data) && !wrong("bytes_after_the_body_taken") {
		b.fail("bytes after the body")
	}
	if b.err != nil {
		return nil, b.err
	}
	fields, _ := out.(map[string]any)
	return fields, nil
}

type body struct {
	data []byte
	at   int
	err  error
}

func (b *body) fail(why string) any {
	if b.err == nil {
		b.err = fmt.Errorf("value: %s at byte %d", why, b.at)
	}
	return nil
}

func (b *body) take(count int64) []byte {
	if b.err != nil {
		return nil
	}
	if count < 0 || count > int64(len(b.data)-b.at) {
		b.fail("cut")
		return nil
	}
	out := b.data[b.at : b.at+int(count)]
	b.at += int(count)
	return out
}

func (b *body) long() int64 {
	var n uint64
	for shift := 0; b.err == nil; shift += 7 {
		next := b.take(1)
		if next == nil {
			return 0
		}
		if shift == 63 && next[0] > 1 && !wrong("varint_of_any_length") {
			b.fail("a number of more than 64 bits")
			return 0
		}
		n |= uint64(next[0]&0x7f) << min(shift, 63)
		if next[0] < 0x80 {
			break
		}
	}
	if wrong("numbers_not_zigzag") {
		return int64(n)
	}
	return int64(n>>1) ^ -int64(n&1)
}

func (b *body) read(declared any) any {
	if b.err != nil {
		return nil
	}
	switch d := declared.(type) {
	case string:
		return b.primitive(d)
	case []any:
		start := b.at
		branch := b.long()
		if b.at-start > 1 && !wrong("branch_of_two_bytes_taken") {
			return b.fail("a branch of more than one byte")
		}
		if branch < 0 || branch >= int64(len(d)) {
			if wrong("unknown_branch_is_null") {
				return nil
			}
			return b.fail("no such branch")
		}
		return b.read(d[branch])
	case map[string]any:
		return b.declared(d)
	}
	return b.fail("a schema that is not known here")
}

func (b *body) primitive(name string) any {
	switch name {
	case "null":
		return nil
	case "boolean":
		one := b.take(1)
		if one == nil {
			return nil
		}
		if one[0] > 1 && !wrong("boolean_of_any_byte") {
			return b.fail("a boolean is 00 or 01")
		}
		return one[0] != 0
	case "int":
		n := b.long()
		if (n < math.MinInt32 || n > math.MaxInt32) && !wrong("int_of_64_bits") {
			return b.fail("an int of more than 32 bits")
		}
		return n
	case "long":
		return b.long()
	case "double":
		bits := b.take(8)
		if bits == nil {
			return nil
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(bits))
	case "bytes":
		return b.take(b.long())
	case "string":
		text := b.take(b.long())
		if b.err == nil && !utf8.Valid(text) && !wrong("text_in_any_bytes") {
			return b.fail("text is not UTF-8")
		}
		return string(text)
	}
	return b.fail("type " + name)
}

func (b *body) declared(d map[string]any) any {
	switch d["type"] {
	case "record":
		out := map[string]any{}
		for _, f := range d["fields"].([]any) {
			field := f.(map[string]any)
			out[field["name"].(string)] = b.read(field["type"])
		}
		return out
	case "array":
		out := []any{}
		for b.err == nil {
			count := b.long()
			if count == 0 {
				break
			}
			if count < 0 {
				if wrong("negative_block_refused") {
					return b.fail("a negative block")
				}
				size := b.long()
				if count == math.MinInt64 {
					return b.fail("a block too large")
				}
				if wrong("negative_block_without_size") {
					b.at--
				}
				count = -count
				_ = size // for readers that skip
			}
			for ; count > 0 && b.err == nil; count-- {
				if b.at >= len(b.data) {
					return b.fail("an array is cut")
				}
				out = append(out, b.read(d["items"]))
			}
			if wrong("one_block_of_an_array") {
				break
			}
		}
		return out
	case "bytes":
		return b.decimal(d)
	case "string", "int", "long", "boolean", "double":
		return b.primitive(d["type"].(string))
	}
	return b.fail("a schema that is not known here")
}

// decimal returns the unscaled number of a decimal, or bytes as they are.
func (b *body) decimal(d map[string]any) any {
	raw := b.take(b.long())
	if d["logicalType"] != "decimal" || b.err != nil {
		return raw
	}
	n := new(big.Int).SetBytes(raw)
	if len(raw) > 0 && raw[0]&0x80 != 0 && !wrong("decimals_unsigned") {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	precision, _ := d["precision"].(json.Number).Int64()
	if limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(precision), nil); n.CmpAbs(limit) >= 0 {
		return b.fail("a decimal beyond its precision")
	}
	return n
}

func (s schema) hex() string { return hex.EncodeToString(s.sha[:]) }
