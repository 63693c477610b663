package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// HQ's own lane on hub.lane: PROTOCOL.md, section 12.

// hqHeld is a record that waits for a batch of which it is.
type hqHeld struct {
	record        record
	seal, receipt []byte
}

type hqEntity struct {
	Stream  string    `json:"stream"`
	ID      string    `json:"id"`
	Status  string    `json:"status"`
	Streams *[]string `json:"streams,omitempty"`
	Keys    *[]string `json:"keys,omitempty"`
}

// hqReader is what a reader has of the lane.
type hqReader struct {
	hub       string
	trust     trust
	origin    string
	edge      edge
	held      map[string]map[int64]hqHeld // by epoch and sequence
	entities  map[string]hqEntity
	rules     int64
	corrected int64
	newer     []string
}

func (r *hqReader) take(h hqHeld) {
	epoch, sequence, found := h.record.position()
	if !found {
		return
	}
	if r.held[epoch] == nil {
		r.held[epoch] = map[int64]hqHeld{}
	}
	if _, had := r.held[epoch][sequence]; had && wrong("oldest_record_of_hub_lane_counts") {
		return
	}
	r.held[epoch][sequence] = h
	for epoch := range r.held {
		if r.origin != "" && !strings.HasSuffix(r.origin, "/"+epoch) {
			continue
		}
		for r.advance(epoch) {
		}
	}
}

// advance takes the longest run of batches, the last of which is good.
func (r *hqReader) advance(epoch string) bool {
	type batch struct {
		events []record
		last   hqHeld
		whole  int
	}
	var batches []batch
	now, all := batch{}, 0
	for sequence := r.edge.size + 1; ; sequence++ {
		h, found := r.held[epoch][sequence]
		if !found {
			break
		}
		all++
		now.events = append(now.events, h.record)
		if h.seal != nil && h.receipt != nil || h.seal != nil && wrong("receipt_on_hub_lane_not_asked_for") {
			now.last, now.whole = h, all
			batches = append(batches, now)
			now = batch{}
		}
	}
	for n := len(batches); n > 0; n-- {
		var receipts []receipt
		e, origin, good := r.edge, r.origin, true
		for _, b := range batches[:n] {
			note, err := parseNote(b.last.receipt)
			said, err2 := parseReceipt(note.text)
			if wrong("receipt_on_hub_lane_not_asked_for") && (err != nil || err2 != nil) {
				c, _, _ := openCheckpoint(b.last.seal)
				said, err, err2 = receipt{origin: c.origin, first: e.size + 1, last: c.size, root: c.root}, nil, nil
			}
			if origin == "" {
				origin = said.origin
			}
			first := e.size + 1
			for _, event := range b.events {
				e = e.append(event.digest())
			}
			ranged := said.first == first && said.last == e.size || wrong("range_of_hq_receipt_not_compared")
			good = good && err == nil && err2 == nil && said.origin == origin && ranged
			receipts = append(receipts, said)
		}
		own := origin == r.hub+"/hq/"+epoch || wrong("hq_lane_of_anybody") && strings.HasSuffix(origin, "/"+epoch)
		if good && own && r.signed(batches[n-1].last, receipts[n-1], origin, e) && r.opens(batches[0].events[0]) {
			r.origin, r.edge = origin, e
			sequence := receipts[0].first
			for i, b := range batches[:n] {
				for _, event := range b.events {
					if !receipts[i].refuses(sequence) || wrong("hq_decisions_passed_over") {
						r.fold(event, receipts[i].last)
					}
					sequence++
				}
			}
			return true
		}
	}
	return false
}

func (r *hqReader) opens(event record) bool {
	typ, _ := event.get("ce_type")
	return r.edge.size > 0 || string(typ) == laneOpened || wrong("hq_lane_without_opening_taken")
}

// signed returns whether HQ has signed and sealed a lane that ends here.
func (r *hqReader) signed(h hqHeld, said receipt, origin string, e edge) bool {
	good := func(purpose string, rename bool) []key {
		var keys []key
		for _, k := range r.trust.keys[purpose] {
			since, gone := r.trust.retiredAt(k)
			if gone && !said.recordedAt.Before(since) && !wrong("retired_hq_keys_go_on") || gone && wrong("retired_hq_keys_never_counted") {
				continue
			}
			if rename {
				k = k.named(origin)
			}
			keys = append(keys, k)
		}
		return keys
	}
	if _, _, err := openNote(h.receipt, good("receipts", false)); err != nil && !wrong("hq_receipt_not_verified") && !wrong("receipt_on_hub_lane_not_asked_for") {
		return false
	}
	c, n, err := openCheckpoint(h.seal)
	if err != nil {
		return false
	}
	if _, err := n.verify(good("hq", true)); err != nil && !wrong("hq_seal_not_verified") {
		return false
	}
	if said.root != e.root() && !wrong("hq_receipt_root_not_compared") {
		return false
	}
	return c.origin == origin && c.size == said.last && c.root == said.root || wrong("hq_seal_not_compared")
}

func (r *hqReader) fold(event record, size int64) {
	typ, _ := event.get("ce_type")
	subject, _ := event.get("ce_subject")
	dataschema, _ := event.get("ce_dataschema")
	kind, known := rules().Events[string(typ)]
	if !known {
		r.newer = append(r.newer, string(typ))
		return
	}
	s, err := parseSchema(schemaAt(kind.Schema))
	if err != nil || "urn:sha256:"+s.hex() != string(dataschema) {
		r.newer = append(r.newer, string(dataschema))
		return
	}
	body, err := s.decode(event.value)
	if err != nil {
		panic(err)
	}
	place := kind.Stream + " " + string(subject)
	entity := r.entities[place]
	entity.Stream, entity.ID = kind.Stream, string(subject)
	if kind.After != nil {
		entity.Status = *kind.After
	}
	switch kind.Stream {
	case "center":
		if kind.Whole {
			streams, keys := []string{}, []string{}
			for _, name := range body["streams"].([]any) {
				streams = append(streams, name.(string))
			}
			for _, row := range body["keys"].([]any) {
				if said := row.(map[string]any); said["status"] == "active" {
					keys = append(keys, said["vkey"].(string))
				}
			}
			entity.Streams, entity.Keys = &streams, &keys
		}
	case "rules":
		r.rules = body["number"].(int64)
	case "clock":
		r.corrected = size
	}
	r.entities[place] = entity
}

func checkHqLane(file, v vector) error {
	r := &hqReader{hub: file.str("hub"), held: map[string]map[int64]hqHeld{}, entities: map[string]hqEntity{}, rules: 1, newer: []string{}}
	r.trust.keys = map[string][]key{}
	for _, purpose := range []string{"hq", "receipts"} {
		keys, err := parseKeys(file.strs(purpose))
		if err != nil {
			return err
		}
		r.trust.keys[purpose] = keys
	}
	for _, row := range file.rows("retired") {
		since, err1 := parseOwnTime(row.str("time"))
		k, err2 := parseKey(row.str("vkey"))
		if err := first(err1, err2); err != nil {
			return err
		}
		r.trust.retired = append(r.trust.retired, retired{since, k})
	}
	records, signatures := file.pool("records"), file.pool("signatures")
	for _, word := range v.strs("records") {
		name, by, _ := strings.Cut(word, "+")
		h := hqHeld{record: recordOf(records[name])}
		if by != "" {
			if signed := signatures[by].sub("seal"); signed != nil {
				h.seal = signed.bytes()
			}
			if signed := signatures[by].sub("receipt"); signed != nil {
				h.receipt = signed.bytes()
			}
		}
		r.take(h)
	}
	said := map[string]any{"origin": nil, "root": nil, "size": r.edge.size, "rules": r.rules, "corrected": r.corrected, "newer": r.newer}
	if r.origin != "" {
		root := r.edge.root()
		said["origin"], said["root"] = r.origin, root[:]
	}
	entities := []hqEntity{}
	for _, entity := range r.entities {
		entities = append(entities, entity)
	}
	slices.SortFunc(entities, func(a, b hqEntity) int { return strings.Compare(a.Stream+" "+a.ID, b.Stream+" "+b.ID) })
	said["entities"] = entities
	want, _ := json.Marshal(v["outcome"])
	if err := sameJSON(said, want); err != nil {
		return fmt.Errorf("hub.lane: %w", err)
	}
	return nil
}
