// Command protocol is a second implementation of the cohub protocol, written from schemas/PROTOCOL.md. It runs the
// vectors against itself.
//
//	protocol VECTORS                        one JSON object: the cases that went wrong, and how many there are
//	protocol VECTORS MISTAKE...             the same for each of these mistakes made on purpose: a vector that goes
//	                                        wrong has caught it
//	protocol -events FILE SCHEMAS           the cases of one file, which is as events.json
//
// VECTORS is the directory of schemas/vectors, SCHEMAS the one above it.
package main

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// vcase is one vector: its name, and a check that returns what is wrong.
type vcase struct {
	name  string
	check func() error
}

type outcome struct {
	Cases  int      `json:"cases"`
	Failed []string `json:"failed"`
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: protocol VECTORS [MISTAKE...]")
		os.Exit(2)
	}
	var cases []vcase
	var err error
	if os.Args[1] == "-events" && len(os.Args) == 4 {
		schemasDir = os.Args[3]
		cases, err = loadFile(os.Args[2], "events")
		os.Args = os.Args[:2]
	} else {
		schemasDir = filepath.Dir(os.Args[1])
		cases, err = load(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	said := map[string]outcome{"": run(cases, len(cases))}
	slices.SortStableFunc(cases, func(a, b vcase) int { return cmp.Compare(took[a.name], took[b.name]) })
	for _, name := range os.Args[2:] {
		mistaken = name
		said[name] = run(cases, 1)
		cases = nearFirst(cases, said[name])
	}
	_ = json.NewEncoder(os.Stdout).Encode(said)
}

// took says how long each case last took: a mistake is looked for by the quick ones first.
var took = map[string]time.Duration{}

// run checks the cases until this many have gone wrong.
func run(cases []vcase, most int) outcome {
	out := outcome{Failed: []string{}}
	for _, c := range cases {
		out.Cases++
		began := time.Now()
		err := c.safely()
		took[c.name] = time.Since(began)
		if err != nil {
			out.Failed = append(out.Failed, fmt.Sprintf("%s: %v", c.name, err))
			if len(out.Failed) >= most {
				break
			}
		}
	}
	return out
}

// nearFirst puts the file whose vector caught a mistake in front: it often catches the next one, too.
func nearFirst(cases []vcase, out outcome) []vcase {
	if len(out.Failed) == 0 {
		return cases
	}
	file := path.Dir(cases[out.Cases-1].name) + "/"
	var near, others []vcase
	for _, c := range cases {
		if strings.HasPrefix(c.name, file) {
			near = append(near, c)
		} else {
			others = append(others, c)
		}
	}
	return append(near, others...)
}

func (c vcase) safely() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return c.check()
}

// vector is one row of a file, its fields still JSON.
type vector map[string]json.RawMessage

func (v vector) get(name string, into any) {
	raw, found := v[name]
	if !found {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		panic(fmt.Sprintf("vector %s: %s: %v", v.str("name"), name, err))
	}
}

func (v vector) str(name string) (out string)    { v.get(name, &out); return out }
func (v vector) num(name string) (out int64)     { v.get(name, &out); return out }
func (v vector) strs(name string) (out []string) { v.get(name, &out); return out }
func (v vector) sub(name string) (out vector)    { v.get(name, &out); return out }
func (v vector) rows(name string) (out []vector) { v.get(name, &out); return out }

func (v vector) hex(name string) []byte {
	data, err := hex.DecodeString(v.str(name))
	if err != nil {
		panic(fmt.Sprintf("vector %s: %s is not hex", v.str("name"), name))
	}
	return data
}

// bytes returns what stands as `text`, as `hex`, or as `repeated`: texts with how often each comes.
func (v vector) bytes() []byte {
	if raw, found := v["repeated"]; found {
		var parts [][]any
		if err := json.Unmarshal(raw, &parts); err != nil {
			panic(err)
		}
		var out []byte
		for _, part := range parts {
			out = append(out, bytes.Repeat([]byte(part[0].(string)), int(part[1].(float64)))...)
		}
		return out
	}
	if _, found := v["hex"]; found {
		return v.hex("hex")
	}
	return []byte(v.str("text"))
}

func (v vector) keys() []key {
	keys, err := parseKeys(v.strs("keys"))
	if err != nil {
		panic(err)
	}
	return keys
}

var pools = map[*byte]map[string]vector{}

// pool returns rows by their names, read once.
func (v vector) pool(name string) map[string]vector {
	place := &v[name][0]
	if pools[place] == nil {
		var rows map[string]vector
		v.get(name, &rows)
		pools[place] = rows
	}
	return pools[place]
}

func (v vector) hash(name string) (hash, error) { return parseHash(v.hex(name)) }

func (v vector) hashes(name string) ([]hash, error) {
	var out []hash
	for _, text := range v.strs(name) {
		data, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		h, err := parseHash(data)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func load(directory string) ([]vcase, error) {
	var cases []vcase
	for _, name := range order {
		more, err := loadFile(filepath.Join(directory, name+".json"), name)
		if err != nil {
			return nil, err
		}
		cases = append(cases, more...)
	}
	return cases, nil
}

func loadFile(from, name string) ([]vcase, error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return nil, err
	}
	var file vector
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var cases []vcase
	for _, kind := range []string{"keys", "good", "newer", "bad"} {
		if kind == "keys" && name != "cosignatures" {
			continue
		}
		for _, v := range file.rows(kind) {
			cases = append(cases, vcase{name + "/" + v.str("name"), checkers[name](file, v, kind)})
		}
	}
	for _, v := range extra[name](file) {
		cases = append(cases, vcase{name + "/" + v.name, v.check})
	}
	return cases, nil
}
