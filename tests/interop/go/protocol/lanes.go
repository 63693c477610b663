package main

import "fmt"

// Taking: PROTOCOL.md, sections 5 to 7.

const tailEventsMax, tailBytesMax = 256, 1 << 20

// ring has the keys that HQ knows, each with whether it may still sign.
type ring []ringKey

type ringKey struct {
	center, purpose string
	key             key
	active          bool
}

type standing int

const (
	good standing = iota
	unknown
	bad
)

// check says what is known of a note that should be signed by a key of a center under this name.
func (r ring) check(center, purpose, name string, n note) standing {
	revoked := false
	for _, k := range r {
		if k.center != center || k.purpose != purpose || k.key.alg == algMLDSA {
			continue
		}
		named := k.key.named(name)
		if n.lineOf(named) == nil {
			continue
		}
		if !k.active && !wrong("revoked_key_taken") {
			revoked = true
			continue
		}
		if _, err := n.verify([]key{named}); err != nil {
			return bad
		}
		return good
	}
	if revoked {
		return bad
	}
	some := false
	for _, l := range n.lines {
		some = some || l.name == name
	}
	if !some && !wrong("unnamed_line_waits") {
		return bad
	}
	for _, k := range r {
		if k.center != center && k.purpose == purpose && n.lineOf(k.key.named(name)) != nil && !wrong("foreign_key_is_unknown") {
			return bad
		}
	}
	return unknown
}

type arrived struct {
	name   string
	record record
	digest hash
	seal   []byte
	size   int
	kept   string // the reason that a seal of its own gave
}

type lane struct {
	origin, epoch string
	edge          edge
	tail          []arrived
}

func (l *lane) next() int64 { return l.edge.size + int64(len(l.tail)) + 1 }

// intake is what HQ has of one center's topic.
type intake struct {
	hub, center string
	ring        ring
	rules       int64
	waits       bool // for a key that HQ does not know
	open, begun *lane
	closed      map[string]*lane
	roots       map[string]hash // by origin and size
	out         outcomeOfLane
}

type outcomeOfLane struct {
	Taken       []string   `json:"taken"`
	Quarantined [][]string `json:"quarantined"`
	Resends     [][]any    `json:"resends"`
	Answered    [][]any    `json:"answered"`
	Forks       [][]any    `json:"forks"`
}

func (in *intake) quarantine(a arrived, reason string) {
	in.out.Quarantined = append(in.out.Quarantined, []string{a.name, reason})
}

func (in *intake) resend(origin string, from int64) {
	for _, r := range in.out.Resends {
		if r[0] == origin && r[1] == from {
			return
		}
	}
	in.out.Resends = append(in.out.Resends, []any{origin, from})
}

func (in *intake) take(a arrived) {
	epoch, sequence, found := a.record.position()
	if !found {
		if !wrong("records_without_a_place_dropped") {
			in.quarantine(a, "NOT_ATTRIBUTABLE")
		}
		return
	}
	origin := in.hub + "/" + in.center + "/" + epoch
	if l := in.closed[epoch]; l != nil && !wrong("closed_lanes_go_on") {
		if sequence > l.edge.size {
			in.quarantine(a, "CLOSED_LANE")
		} else {
			in.claim(origin, l.edge.size, a)
		}
		return
	}
	l := in.laneOf(origin, epoch, sequence)
	if l == nil {
		in.resend(origin, 1)
		return
	}
	switch next := l.next(); {
	case sequence <= l.edge.size:
		in.claim(origin, l.edge.size, a)
		return
	case sequence < next:
		at := sequence - l.edge.size - 1
		if l.tail[at].digest == a.digest {
			if a.seal != nil && !wrong("newer_seal_in_the_tail_dropped") {
				l.tail[at].seal, l.tail[at].kept = a.seal, ""
				in.look(l, int(at))
			}
			return
		}
		if wrong("older_bytes_win") {
			return
		}
		in.cut(l, int(at), "SUPERSEDED")
		l.tail = append(l.tail, a)
	case sequence > next:
		if !wrong("gap_taken") {
			if wrong("gap_drops_the_tail") {
				in.cut(l, 0, "SUPERSEDED")
			}
			if wrong("resend_from_what_came") {
				in.resend(origin, sequence)
				return
			}
			in.missing(l, a)
			return
		}
		l.tail = append(l.tail, a)
	default:
		if overlong(append(l.tail[:len(l.tail):len(l.tail)], a)) {
			if in.waits && !wrong("waiting_tail_quarantined") {
				in.missing(l, a)
				return
			}
			l.tail = append(l.tail, a)
			in.cut(l, 0, "OVERLONG_TAIL")
			in.missing(l, a)
			return
		}
		l.tail = append(l.tail, a)
	}
	if a.seal != nil {
		in.look(l, len(l.tail)-1)
	}
}

// overlong returns whether a tail is over its limits.
func overlong(tail []arrived) bool {
	size, count := 0, len(tail)
	for _, t := range tail {
		size += t.size
	}
	if wrong("tail_counts_records_alone") {
		size = 0
	}
	if wrong("tail_counts_bytes_alone") {
		count = 0
	}
	if wrong("tail_one_shorter") {
		size, count = size+1, count+1
	}
	return (count > tailEventsMax || size > tailBytesMax) && !wrong("tail_without_end")
}

// missing asks for what lies before a record that can't join; while HQ waits for a key, only if a key has sealed it.
func (in *intake) missing(l *lane, a arrived) {
	if in.waits && !wrong("resend_asked_for_while_waiting") {
		c, n, err := openCheckpoint(a.seal)
		_, sequence, _ := a.record.position()
		if err != nil || c.origin != l.origin || c.size != sequence || in.ring.checkSeal(in.center, l.origin, n) != good {
			return
		}
	}
	in.resend(l.origin, l.edge.size+1)
}

func (in *intake) laneOf(origin, epoch string, sequence int64) *lane {
	for _, l := range []*lane{in.open, in.begun} {
		if l != nil && l.epoch == epoch {
			return l
		}
	}
	if sequence != 1 {
		return nil
	}
	if in.begun != nil {
		in.cut(in.begun, 0, "SUPERSEDED")
	}
	in.begun = &lane{origin: origin, epoch: epoch}
	if wrong("opening_alone_closes_the_lane") && in.open != nil {
		in.closed[in.open.epoch] = in.open
		in.open, in.begun = in.begun, nil
		return in.open
	}
	return in.begun
}

// cut quarantines a tail behind its first records; what lay under a seal that was not good goes for its sake.
func (in *intake) cut(l *lane, keep int, reason string) {
	reasons, kept := make([]string, len(l.tail)), ""
	for at := len(l.tail) - 1; at >= keep; at-- {
		if l.tail[at].kept != "" && !wrong("reasons_of_seals_forgotten") {
			kept = l.tail[at].kept
		}
		if reasons[at] = reason; kept != "" {
			reasons[at] = kept
		}
	}
	for at := keep; at < len(l.tail); at++ {
		if wrong("superseded_dropped") && reason == "SUPERSEDED" {
			continue
		}
		in.quarantine(l.tail[at], reasons[at])
	}
	l.tail = l.tail[:keep]
}

// refuse remembers a seal that is not good: the tail stays.
func (in *intake) refuse(l *lane, at int) {
	l.tail[at].kept = "BAD_SEAL"
	if wrong("bad_seal_drops_the_tail") {
		in.cut(l, 0, "BAD_SEAL")
	}
	in.resend(l.origin, l.edge.size+1)
}

func digestsOf(tail []arrived) (out []hash) {
	for _, a := range tail {
		out = append(out, a.digest)
	}
	return out
}

// look takes the tail up to the record at this place if its seal is good.
func (in *intake) look(l *lane, at int) {
	c, n, err := openCheckpoint(l.tail[at].seal)
	if in.extended(c) {
		in.refuse(l, at)
		return
	}
	if err != nil || c.origin != l.origin || c.size != l.edge.size+int64(at)+1 {
		in.refuse(l, at)
		return
	}
	switch in.ring.checkSeal(in.center, l.origin, n) {
	case bad:
		in.refuse(l, at)
		return
	case unknown: // it may become good, if it is over these records
		if over := l.edge.append(digestsOf(l.tail[:at+1])...); over.root() == c.root {
			l.tail[at].kept = "UNKNOWN_KEY"
			in.waits = true
			return
		}
		in.refuse(l, at)
		return
	}
	if opening, _ := l.tail[0].record.get("ce_type"); l.edge.size == 0 && string(opening) != laneOpened && !wrong("lane_without_an_opening") {
		in.refuse(l, at)
		return
	}
	e := l.edge
	for _, a := range l.tail[:at+1] {
		e = e.append(a.digest)
	}
	if e.root() != c.root && !wrong("seal_over_other_records_taken") {
		in.refuse(l, at)
		return
	}
	for i, a := range l.tail[:at+1] {
		if wrong("only_the_sealed_record_taken") && i < at {
			continue
		}
		in.out.Taken = append(in.out.Taken, a.name)
		l.edge = l.edge.append(a.digest)
		in.roots[fmt.Sprint(l.origin, l.edge.size)] = l.edge.root()
	}
	l.tail = append([]arrived(nil), l.tail[at+1:]...)
	in.waits = false
	if l == in.begun {
		if in.open != nil {
			in.closed[in.open.epoch] = in.open
			if !wrong("tail_of_a_closed_lane_dropped") {
				in.cut(in.open, 0, "SUPERSEDED")
			}
		}
		in.open, in.begun = l, nil
	} else if in.begun != nil {
		in.cut(in.begun, 0, "SUPERSEDED")
		in.begun = nil
	}
}

// claim looks at the seal on a record that HQ has: it is answered by the stored receipt, or it is a fork.
func (in *intake) claim(origin string, size int64, a arrived) {
	if a.seal == nil {
		return
	}
	c, n, err := openCheckpoint(a.seal)
	if err != nil || in.extended(c) || c.origin != origin || c.size > size || in.ring.check(in.center, "seal", origin, n) != good {
		return
	}
	said := []any{origin, c.size}
	if in.roots[fmt.Sprint(origin, c.size)] == c.root || wrong("fork_is_a_duplicate") {
		if !wrong("duplicates_not_answered") {
			in.out.Answered = append(in.out.Answered, said)
		}
	} else {
		in.out.Forks = append(in.out.Forks, said)
	}
}

// extended returns whether a seal is none for its extension lines.
func (in *intake) extended(c checkpoint) bool {
	return in.rules >= 2 && len(c.extensions) > 0 && !wrong("extension_lines_in_seals_taken")
}

// sealOf returns the seal that a record carries, of all its headers of that name.
func (in *intake) sealOf(seals [][]byte) []byte {
	if len(seals) == 0 || in.rules >= 2 && len(seals) > 1 && !wrong("one_of_two_seals_taken") {
		return nil
	}
	if wrong("first_of_two_seals_counts") {
		return seals[0]
	}
	return seals[len(seals)-1]
}

// checkSeal is check, and wants a good line by the center's long-lived key too, once it has one.
func (r ring) checkSeal(center, origin string, n note) standing {
	found := r.check(center, "seal", origin, n)
	if found != good || wrong("long_key_not_asked_for") {
		return found
	}
	wanted, signed := false, false
	for _, k := range r {
		if k.center != center || k.purpose != "seal" || k.key.alg != algMLDSA || !k.active {
			continue
		}
		wanted = true
		if named := k.key.named(origin); n.lineOf(named) != nil {
			signed = true
			if _, err := n.verify([]key{named}); err != nil && !wrong("long_line_not_verified") {
				return bad
			}
		}
	}
	if wanted && !signed {
		return bad
	}
	return good
}
