package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Rules between fields, what `checked` names, and what a record says of its entity's id: rules.json.

// entityKey says how a record tells the part of its entity's id behind the colon.
type entityKey struct{ Is, Field, Text string }

// of returns that part, and whether the record tells it.
func (k *entityKey) of(value map[string]any) (string, bool) {
	if k == nil {
		return "", false
	}
	switch k.Is {
	case "text":
		return k.Text, true
	case "field":
		return fmt.Sprint(value[k.Field]), true
	case "epoch":
		origin := value[k.Field].(string)
		return origin[strings.LastIndex(origin, "/")+1:], true
	}
	named := ""
	for _, row := range value[k.Field].([]any) {
		said := row.(map[string]any)
		_, center := namedBy(said["vkey"].(string), said["purpose"].(string))
		if named != "" && center != named {
			return named + " " + center, true
		}
		named = center
	}
	return named, named != ""
}

func keyOf(subject string) string {
	_, key, _ := strings.Cut(subject, ":")
	return key
}

// namedBy returns the hub and the center that the name of a center's key says.
func namedBy(vkey, purpose string) (string, string) {
	name, _, _ := strings.Cut(vkey, "+")
	hub, center, _ := strings.Cut(name, "/")
	if purpose != "seal" {
		center = strings.TrimSuffix(center, "/"+purpose)
	}
	return hub, center
}

func checkedText(what, text string) bool {
	if what == "" || wrong("checked_passed_over") {
		return true
	}
	switch what {
	case "lei":
		remainder := 0
		for _, c := range text {
			n, _ := strconv.ParseInt(string(c), 36, 64)
			if n > 9 {
				remainder = remainder * 10
			}
			remainder = (remainder*10 + int(n)) % 97
		}
		return remainder == 1
	case "moment":
		_, err := parseTime(text)
		return err == nil
	case "vkey":
		_, err := parseKey(text)
		return err == nil
	}
	panic("what is checked: " + what)
}

// proved returns whether the keys of a center's record have proved themselves, as at their enrolment.
func proved(rows []any) bool {
	before := map[string][]key{}
	for _, row := range rows {
		said := row.(map[string]any)
		purpose := said["purpose"].(string)
		k, err := parseKey(said["vkey"].(string))
		hub, center := namedBy(said["vkey"].(string), purpose)
		name := hub + "/" + center
		if purpose == "witness" {
			name += "/witness"
		}
		kinds := map[string]string{"seal": "\x01\x06", "witness": "\x04\x01"}[purpose]
		if err != nil || k.name != name || strings.IndexByte(kinds, k.alg) < 0 {
			return false
		}
		text := []byte(fmt.Sprintf("cohub-key/v1\n%s\n%s\n%s\n%s\n", hub, center, purpose, k.text()))
		signed := func(by key, value any) bool {
			raw, err := unbase64(value.(string))
			return err == nil && by.verify(text, raw) == nil
		}
		if !signed(k, said["proof"]) && !wrong("proofs_of_keys_not_verified") {
			return false
		}
		vouched := false
		for _, earlier := range before[purpose] {
			vouched = vouched || said["previous_proof"] != nil && signed(earlier, said["previous_proof"])
		}
		if said["previous_proof"] != nil && !vouched && !wrong("earlier_key_need_not_vouch") {
			return false
		}
		if lost := len(before[purpose]) > 0 && said["previous_proof"] == nil; said["replaced_lost"].(bool) != lost && !wrong("lost_key_not_said") {
			return false
		}
		before[purpose] = append(before[purpose], k)
	}
	return true
}

func (j judging) crossed(e eventRules, value map[string]any) *verdict {
	for _, c := range e.Crossed {
		if c.broken(value) && !wrong("rules_between_fields_passed_over") {
			return &verdict{j.file.Cross[c.Rule].Code, c.Field}
		}
	}
	return nil
}

func (c crossRule) broken(value map[string]any) bool {
	has := func(name string) bool { return value[name] != nil }
	given := 0
	for _, name := range c.Fields {
		if has(name) {
			given++
		}
	}
	switch c.Rule {
	case "any_of":
		return given == 0
	case "at_most":
		return has(c.Field) && (!has(c.Other) || amountOf(value[c.Field]).Cmp(amountOf(value[c.Other])) > 0)
	case "at_most_one":
		return given > 1
	case "differ":
		return has(c.Field) && value[c.Field] == value[c.Other]
	case "each_once":
		seen := map[any]bool{}
		for _, row := range value[c.Field].([]any) {
			by := row.(map[string]any)[c.By]
			if seen[by] {
				return !wrong("rows_of_a_list_may_repeat")
			}
			seen[by] = true
		}
		return false
	case "export_control":
		return value[c.Field] != "free" && !(value[c.Field] == "restricted" && has(c.Licence))
	case "go_together":
		return given > 0 && given < len(c.Fields)
	case "keys_are_proved":
		return !proved(value[c.Field].([]any))
	case "later_than":
		return value[c.Field].(string) <= value[c.Other].(string)
	case "not_before":
		return has(c.Field) && (!has(c.Other) || value[c.Other].(day) > value[c.Field].(day))
	case "required":
		return !has(c.Field)
	case "required_unless":
		return value[c.Other] != c.Value && !has(c.Field)
	case "required_with":
		return has(c.Other) && !has(c.Field)
	case "schema_id_of":
		sum := sha256.Sum256([]byte(value[c.Other].(string)))
		return value[c.Field] != int64(binary.BigEndian.Uint32(sum[:4])&^(1<<31)) && !wrong("announced_id_not_compared")
	case "sha256_of":
		return value[c.Field] != fmt.Sprintf("%x", sha256.Sum256([]byte(value[c.Other].(string)))) && !wrong("announced_sum_not_compared")
	case "stands_on":
		return has(c.Field) && !has(c.Other)
	case "stands_on_any":
		return has(c.Field) && given == 0
	case "within_days_after":
		if !has(c.Field) || !has(c.Other) {
			return false
		}
		days := int64(value[c.Field].(day) - value[c.Other].(day))
		return days < 1 || days > c.Days
	case "zero_without":
		return !has(c.Other) && value[c.Field] != int64(0)
	}
	panic("a rule between fields: " + c.Rule)
}

// amountOf returns an int or a decimal as one kind of number.
func amountOf(value any) *big.Rat {
	if n, is := value.(int64); is {
		return new(big.Rat).SetInt64(n)
	}
	return value.(*big.Rat)
}
