package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The vectors of lanes.json.

func ringOf(file vector) ring {
	var out ring
	for _, row := range file.rows("keys") {
		k, err := parseKey(row.str("vkey"))
		if err != nil {
			panic(err)
		}
		var active bool
		row.get("active", &active)
		out = append(out, ringKey{row.str("center"), row.str("purpose"), k, active})
	}
	return out
}

func checkLane(file, v vector) error {
	in := &intake{hub: file.str("hub"), center: file.str("center"), ring: ringOf(file), closed: map[string]*lane{},
		roots: map[string]hash{}}
	if keys := v.rows("keys"); keys != nil {
		in.ring = ringOf(v)
	}
	in.out = outcomeOfLane{[]string{}, [][]string{}, [][]any{}, [][]any{}, [][]any{}}
	if in.rules = v.num("rules"); in.rules == 0 {
		in.rules = 1
	}
	records, seals := file.pool("records"), file.pool("seals")
	var zeros map[string]int
	file.get("zeros", &zeros)
	var fetches [][]string
	v.get("fetches", &fetches)
	for _, fetch := range fetches {
		for _, word := range spread(fetch) {
			parts := strings.Split(word, "+")
			name, r := parts[0], recordNamed(records, zeros, parts[0])
			a := arrived{name: name, record: r, digest: r.digest(), size: len(r.canonical())}
			var carried [][]byte
			for _, sealed := range parts[1:] {
				carried = append(carried, seals[sealed].bytes())
			}
			a.seal = in.sealOf(carried)
			in.take(a)
		}
		if wrong("tail_ends_with_the_fetch") && in.open != nil {
			in.open.tail = nil
		}
	}
	said := v.sub("outcome")
	var want outcomeOfLane
	if err := json.Unmarshal(in.wanted(said), &want); err != nil {
		return err
	}
	want.Taken = spread(want.Taken)
	var rows [][]string
	for _, row := range want.Quarantined {
		for _, name := range spread(row[:1]) {
			rows = append(rows, []string{name, row[1]})
		}
	}
	want.Quarantined = rows
	if err := same("outcome", fmt.Sprint(in.out), fmt.Sprint(want)); err != nil {
		return err
	}
	open, size := "", int64(0)
	if in.open != nil {
		open, size = in.open.origin, in.open.edge.size
	}
	return first(same("open", open, said.str("open")), same("size", size, said.num("size")))
}

// wanted returns of what a vector says the part that is a list.
func (in *intake) wanted(said vector) []byte {
	parts := []string{}
	for _, name := range []string{"taken", "quarantined", "resends", "answered", "forks"} {
		parts = append(parts, fmt.Sprintf("%q:%s", name, said[name]))
	}
	return []byte("{" + strings.Join(parts, ",") + "}")
}

// spread returns the words of which `a1..a3+a3` is short for the last ones.
func spread(words []string) (out []string) {
	for _, word := range words {
		first, rest, found := strings.Cut(word, "..")
		if !found {
			out = append(out, word)
			continue
		}
		last, sealed, _ := strings.Cut(rest, "+")
		from, _ := strconv.Atoi(first[1:])
		to, _ := strconv.Atoi(last[1:])
		for n := from; n <= to; n++ {
			out = append(out, fmt.Sprint(first[:1], n))
		}
		if sealed != "" {
			out[len(out)-1] += "+" + sealed
		}
	}
	return out
}

// recordNamed returns a record that is shown, or one that is made by the rules that `about` says.
func recordNamed(records map[string]vector, zeros map[string]int, name string) record {
	if v, found := records[name]; found {
		return recordOf(v)
	}
	if size, found := zeros[name]; found {
		r := recordOf(records[strings.TrimRight(name, "^")])
		r.value = make([]byte, size)
		return r
	}
	r := recordOf(records["a8"])
	for i, h := range r.headers {
		if h.name == "ce_sequence" {
			r.headers[i].value = []byte(name[1:])
		}
	}
	return r
}
