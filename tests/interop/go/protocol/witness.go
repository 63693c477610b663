package main

import (
	"fmt"
	"strconv"
	"time"
)

// Witnesses: PROTOCOL.md, section 16.

// told is one record of hub.checkpoints that is HQ's word; fault says why its leaves can't be used.
type told struct {
	checkpoint
	after  int64
	leaves []hash
	fault  bool
	at     time.Time // when HQ signed it
}

type witness struct {
	keys     []key
	retired  map[string]time.Time // by vkey
	topic    []vector
	edge     edge
	known    map[int64]hash
	newest   int64
	newAt    time.Time
	stood    int64          // where it stood when the topic is read from its beginning
	promise  map[int64]hash // what HQ has signed and the log must lead through
	doubted  map[int64]hash // smaller sizes that are not remembered
	waiting  map[int64]told // beyond a gap
	branches map[int64]edge // by the size from which leaves led nowhere; passed since the topic's beginning
	wanted   map[int64]bool
	broken   bool
}

// signed is a checkpoint that HQ's log keys have signed, by algorithm, and when.
type signed struct {
	checkpoint
	by   map[byte]key
	at   time.Time
	word bool
}

// opened are the notes that were verified under the mistake of this run: the rows of witness.json share them.
var opened = map[string]signed{}
var openedUnder string

func (w *witness) open(note []byte) signed {
	if openedUnder != mistaken {
		opened, openedUnder = map[string]signed{}, mistaken
	}
	found, known := opened[string(note)]
	if !known {
		found = w.verify(note)
		opened[string(note)] = found
	}
	return found
}

func (w *witness) verify(note []byte) signed {
	c, n, err := openCheckpoint(note)
	if err != nil || c.origin != "hub.example/log" && !wrong("checkpoint_of_any_log") {
		return signed{}
	}
	s := signed{checkpoint: c, by: map[byte]key{}, word: true}
	for _, alg := range []byte{algEd25519, algMLDSA} {
		var keys []key
		for _, k := range w.keys {
			if k.alg == alg {
				keys = append(keys, k)
			}
		}
		by, err := n.verify(keys)
		if err != nil {
			if wrong("one_log_key_is_enough") && len(s.by)+int(alg) != 6 {
				continue
			}
			return signed{}
		}
		s.by[alg] = by
		if alg == algMLDSA {
			s.at = time.Unix(int64(cosignedAt(n.lineOf(by).value)), 0)
		}
	}
	return s
}

// read returns what HQ says in a record, or false where it is nobody's word.
func (w *witness) read(v vector) (told, bool) {
	s := w.open(v.bytes())
	if !s.word {
		return told{}, false
	}
	c, signed := s.checkpoint, s.by
	t := told{checkpoint: c, at: s.at}
	for _, by := range signed {
		since, gone := w.retired[by.text()]
		late := !t.at.Before(since)
		if wrong("retired_from_the_next_second_on") {
			late = t.at.After(since)
		}
		if c.size > w.newest && !w.newAt.IsZero() && !wrong("retired_keys_by_their_own_date") {
			late = late || !w.newAt.Before(since)
		}
		if gone && late && !wrong("retired_log_keys_go_on") {
			return told{}, false
		}
	}
	var after *string
	v.get("after", &after)
	if after == nil {
		t.fault = true
		return t, true
	}
	var err error
	t.after, err = parseNumber(*after)
	if wrong("after_in_any_form") {
		t.after, err = strconv.ParseInt(*after, 10, 64)
	}
	data := v.hex("leaves")
	if wrong("leaves_cut_to_whole_ones") {
		data = data[:len(data)/32*32]
	}
	if err != nil || t.after > c.size || int64(len(data)) != 32*(c.size-t.after) {
		t.fault = true
		return t, true
	}
	for at := 0; at < len(data); at += 32 {
		t.leaves = append(t.leaves, hash(data[at:at+32]))
	}
	return t, true
}

func (w *witness) feed(v vector) {
	if w.broken {
		if !wrong("break_is_forgotten") {
			return
		}
		w.broken = false
	}
	t, word := w.read(v)
	if !word {
		return
	}
	if t.size <= w.edge.size {
		w.lookBack(t)
		return
	}
	if root, found := w.signed(t.size); found && root != t.root && !wrong("two_roots_beyond_a_gap_taken") {
		w.broken = true
		return
	}
	if !wrong("what_is_not_led_to_is_forgotten") {
		w.promise[t.size] = t.root
	}
	switch {
	case t.fault:
		w.broken = wrong("faulty_headers_break")
	case t.after > w.edge.size:
		if wrong("leaves_beyond_a_gap_appended") {
			w.edge = w.edge.append(t.leaves...)
			return
		}
		w.broken = wrong("gap_is_a_break")
		w.waiting[t.size] = t
	default:
		w.append(t)
	}
	w.tryWaiting()
}

func (w *witness) tryWaiting() {
	for progress := true; progress && !w.broken; {
		progress = false
		for size, other := range w.waiting {
			if other.after <= w.edge.size {
				delete(w.waiting, size)
				if other.size > w.edge.size {
					w.append(other)
				} else {
					w.lookBack(other)
				}
				progress = true
			}
		}
	}
}

func (w *witness) signed(size int64) (hash, bool) {
	if root, found := w.promise[size]; found {
		return root, true
	}
	root, found := w.doubted[size]
	return root, found
}

func (w *witness) lookBack(t told) {
	ours, found := w.signed(t.size)
	if t.size == w.edge.size {
		ours, found = w.edge.root(), true
	} else if !found {
		ours, found = w.known[t.size]
	}
	switch {
	case found && ours == t.root:
		if wrong("older_checkpoint_is_gone_back_to") && t.size < w.edge.size {
			w.edge = edge{size: t.size}
		}
	case found:
		w.broken = !wrong("two_roots_taken")
	case wrong("smaller_unknown_size_passed_over"):
	default:
		w.doubted[t.size] = t.root
	}
}

// fromBeginning reads the topic again: it must lead through all that HQ has signed.
func (w *witness) fromBeginning() {
	for size, root := range w.doubted {
		w.promise[size] = root
	}
	if wrong("promises_forgotten") {
		w.promise = map[int64]hash{}
	} else if w.edge.size > 0 {
		w.promise[w.edge.size] = w.edge.root()
	}
	w.stood = max(w.stood, w.edge.size)
	w.edge, w.doubted, w.waiting, w.branches = edge{}, map[int64]hash{}, map[int64]told{}, map[int64]edge{}
	if w.wanted[0] {
		w.branches[0] = edge{}
	}
	for _, v := range w.topic {
		w.feed(v)
	}
}

func (w *witness) append(t told) {
	skip := w.edge.size - t.after
	if wrong("leaves_had_are_appended_again") {
		skip = 0
	}
	leaves := t.leaves[skip:]
	var sizes []int64
	for size := w.edge.size + 1; size <= t.size; size++ {
		_, promised := w.promise[size]
		if promised && size < t.size || w.wanted[size] {
			sizes = append(sizes, size)
		}
	}
	contradicts, passed := false, map[int64]edge{}
	for _, size := range sizes {
		e := w.edge.append(leaves[:size-w.edge.size]...)
		root, promised := w.promise[size]
		contradicts = contradicts || promised && size < t.size && e.root() != root
		passed[size] = e
	}
	e := w.edge.append(leaves...)
	switch {
	case e.root() == t.root || wrong("leaves_not_compared_with_the_root"):
		if contradicts {
			w.broken = true
			return
		}
		for size, e := range passed {
			w.branches[size] = e
		}
		w.edge = e
		w.known[t.size] = t.root
		w.newest, w.newAt = t.size, t.at
	case contradicts && wrong("leaves_that_nobody_signed_are_believed"), wrong("other_leaves_break"):
		w.broken = true
	default:
		for at, start := range w.branches {
			if t.after <= at && at < w.edge.size && start.append(t.leaves[at-t.after:]...).root() == t.root {
				w.broken = !wrong("leaves_tried_from_the_edge_alone")
			}
		}
		w.wanted[t.after] = true
		if t.after == w.edge.size {
			w.branches[t.after] = w.edge
		}
	}
}

// behindPoll says where the witness stands once the topic is read to its end.
func (w *witness) behindPoll() (string, int64) {
	if !w.broken && (!w.whole() || len(w.doubted) > 0) {
		w.fromBeginning()
	}
	if w.broken {
		return "broken", 0
	}
	if !w.whole() && !wrong("stands_though_something_is_missing") {
		if wrong("missing_is_broken") {
			return "broken", 0
		}
		return "waits", w.edge.size
	}
	w.promise, w.stood, w.waiting = map[int64]hash{}, 0, map[int64]told{}
	w.branches, w.wanted = map[int64]edge{}, map[int64]bool{}
	return "stands", w.edge.size
}

func (w *witness) whole() bool {
	for size := range w.promise {
		if size > w.edge.size {
			return false
		}
	}
	return true
}

func checkWitness(file, v vector) error {
	w := &witness{keys: file.keys(), retired: map[string]time.Time{}, known: map[int64]hash{},
		promise: map[int64]hash{}, doubted: map[int64]hash{}, waiting: map[int64]told{},
		branches: map[int64]edge{}, wanted: map[int64]bool{}}
	for _, row := range v.rows("retired") {
		since, err := parseOwnTime(row.str("since"))
		if err != nil {
			return err
		}
		w.retired[row.str("vkey")] = since
	}
	var polls [][]string
	v.get("polls", &polls)
	for i, poll := range polls {
		for _, name := range poll {
			w.topic = append(w.topic, file.pool("records")[name])
			w.feed(w.topic[len(w.topic)-1])
		}
		state, size := w.behindPoll()
		want := v.rows("outcome")[i]
		if state != want.str("state") || size != want.num("size") {
			return mismatch(fmt.Sprintf("poll %d: expected %s %d, got %s %d", i, want.str("state"), want.num("size"), state, size))
		}
	}
	return nil
}
