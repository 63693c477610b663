package main

import (
	"fmt"
	"sort"
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
	keys    []key
	retired map[string]time.Time // by vkey
	topic   []vector
	edge    edge
	known   map[int64]hash
	newest  int64
	newAt   time.Time
	again   bool           // the topic is read from its beginning
	promise map[int64]hash // what it must lead through then
	waiting map[int64]told
	broken  bool
}

// read returns what HQ says in a record, or false where it is nobody's word.
func (w *witness) read(v vector) (told, bool) {
	c, n, err := openCheckpoint(v.bytes())
	if err != nil || c.origin != "hub.example/log" && !wrong("checkpoint_of_any_log") {
		return told{}, false
	}
	t := told{checkpoint: c}
	signed := map[byte]key{}
	for _, alg := range []byte{algEd25519, algMLDSA} {
		var keys []key
		for _, k := range w.keys {
			if k.alg == alg {
				keys = append(keys, k)
			}
		}
		by, err := n.verify(keys)
		if err != nil {
			if wrong("one_log_key_is_enough") && len(signed)+int(alg) != 6 {
				continue
			}
			return told{}, false
		}
		signed[alg] = by
		if alg == algMLDSA {
			t.at = time.Unix(int64(cosignedAt(n.lineOf(by).value)), 0)
		}
	}
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
	switch {
	case t.size <= w.edge.size:
		w.lookBack(t)
	case t.fault:
		w.broken = !wrong("faulty_headers_passed_over")
	case t.after > w.edge.size:
		w.beyondGap(t)
	default:
		w.append(t)
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
}

func (w *witness) lookBack(t told) {
	ours, found := w.known[t.size]
	if t.size == w.edge.size {
		ours, found = w.edge.root(), true
	} else if promised, is := w.promise[t.size]; is {
		ours, found = promised, true
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
		w.fromBeginning(&t)
	}
}

// fromBeginning reads the topic again: it must lead through all that was stood by.
func (w *witness) fromBeginning(t *told) {
	if len(w.promise) >= 16 { // HQ goes back again and again
		w.broken = true
		return
	}
	if w.edge.size > 0 {
		w.promise[w.edge.size] = w.edge.root()
	}
	if t != nil {
		w.promise[t.size] = t.root
	}
	w.edge, w.again, w.waiting = edge{}, true, map[int64]told{}
	for _, v := range w.topic {
		w.feed(v)
	}
}

func (w *witness) beyondGap(t told) {
	if wrong("leaves_beyond_a_gap_appended") {
		w.edge = w.edge.append(t.leaves...)
		return
	}
	if wrong("gap_is_a_break") {
		w.broken = true
		return
	}
	if !w.again {
		w.fromBeginning(nil)
		return
	}
	if other, found := w.waiting[t.size]; found && other.root != t.root && !wrong("two_roots_beyond_a_gap_taken") {
		w.broken = true
		return
	}
	w.waiting[t.size] = t
}

func (w *witness) append(t told) {
	skip := w.edge.size - t.after
	if wrong("leaves_had_are_appended_again") {
		skip = 0
	}
	leaves := t.leaves[skip:]
	var sizes []int64
	for size := range w.promise {
		if size > w.edge.size && size <= t.size {
			sizes = append(sizes, size)
		}
	}
	sort.Slice(sizes, func(i, j int) bool { return sizes[i] < sizes[j] })
	for _, size := range sizes {
		e := w.edge.append(leaves[:size-w.edge.size]...)
		if e.root() != w.promise[size] && !wrong("promises_forgotten") {
			w.broken = true
			return
		}
	}
	e := w.edge.append(leaves...)
	if e.root() != t.root && !wrong("leaves_not_compared_with_the_root") {
		w.broken = true
		return
	}
	w.edge = e
	w.known[t.size] = t.root
	w.newest, w.newAt = t.size, t.at
}

// behindPoll says where the witness stands once the topic is read to its end.
func (w *witness) behindPoll() (string, int64) {
	if w.broken {
		return "broken", 0
	}
	whole := len(w.waiting) == 0
	for size := range w.promise {
		whole = whole && size <= w.edge.size
	}
	if w.again && whole {
		w.again, w.promise = false, map[int64]hash{}
	}
	if w.again && !wrong("stands_though_something_is_missing") {
		return "waits", w.edge.size
	}
	return "stands", w.edge.size
}

func checkWitness(file, v vector) error {
	w := &witness{keys: file.keys(), retired: map[string]time.Time{}, known: map[int64]hash{},
		promise: map[int64]hash{}, waiting: map[int64]told{}}
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
