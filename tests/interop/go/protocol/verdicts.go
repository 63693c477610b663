package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Verdicts: PROTOCOL.md, sections 8 and 11, by schemas/rules.json.

type rulesFile struct {
	Rules  map[string]ruleSet               `json:"rules"`
	Blank  string                           `json:"blank"`
	White  string                           `json:"white_space"`
	Codes  map[string][]string              `json:"codes"`
	Cross  map[string]struct{ Code string } `json:"crossed"`
	Limits struct {
		Ahead int64 `json:"ahead_seconds"`
	} `json:"limits"`
	Events map[string]eventRules `json:"events"`
}

type ruleSet struct {
	Number     int64  `json:"number"`
	ExactText  bool   `json:"exact_text"`
	Repeats    bool   `json:"repeats_known"`
	KafkaKey   bool   `json:"kafka_key_judged"`
	UUID       bool   `json:"uuid_ids"`
	Exact      string `json:"exact_pattern"`
	ExactLines string `json:"exact_lines_pattern"`
}

type eventRules struct {
	Stream   string                         `json:"stream"`
	Schema   string                         `json:"schema"`
	Writer   string                         `json:"writer"`
	Whole    bool                           `json:"carries_record"`
	LegalIn  []*string                      `json:"legal_in"`
	After    *string                        `json:"status_after"`
	Fields   []fieldRule                    `json:"fields"`
	Crossed  []crossRule                    `json:"crossed"`
	Centers  []string                       `json:"centers"`
	Entities []struct{ Field string }       `json:"entities"`
	OfOthers []string                       `json:"of_others"`
	Listed   []struct{ Field, List string } `json:"listed"`
	Growing  []string                       `json:"growing"`
	Key      *entityKey                     `json:"entity_key"`
}

type fieldRule struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Min      int             `json:"min"`
	Max      *int            `json:"max"`
	Trimmed  bool            `json:"trimmed"`
	Pattern  *string         `json:"pattern"`
	Lines    bool            `json:"lines"`
	Verbatim bool            `json:"verbatim"`
	Null     bool            `json:"null"`
	Absent   json.RawMessage `json:"absent"`
	Codes    json.RawMessage `json:"codes"`
	Items    *fieldRule      `json:"items"`
	Fields   []fieldRule     `json:"fields"`
	Checked  string          `json:"checked"`
	Decimals *int            `json:"decimals"`
	Least    json.RawMessage `json:"least"`
	Most     json.RawMessage `json:"most"`
	Above    json.RawMessage `json:"above"`
	Below    json.RawMessage `json:"below"`
}

type crossRule struct {
	Rule, Field, Other, By, Licence, Value string
	Fields                                 []string
	Days                                   int64
}

var (
	schemasDir string
	rulesRead  *rulesFile
	schemaRead = map[string][]byte{}
	patterns   = map[string]*regexp.Regexp{}
)

func rules() *rulesFile {
	if rulesRead == nil {
		data, err := os.ReadFile(filepath.Join(schemasDir, "rules.json"))
		if err == nil {
			rulesRead = &rulesFile{}
			err = json.Unmarshal(data, rulesRead)
		}
		if err != nil {
			panic(err)
		}
	}
	return rulesRead
}

// statePath returns where the schema is by which an entity's state is written, whose record came with such an event.
func (e eventRules) statePath() string {
	return "state/" + path.Base(e.Schema)
}

func schemaAt(place string) []byte {
	if schemaRead[place] == nil {
		data, err := os.ReadFile(filepath.Join(schemasDir, place))
		if err != nil {
			panic(err)
		}
		schemaRead[place] = data
	}
	return schemaRead[place]
}

func matches(pattern, text string) bool {
	if patterns[pattern] == nil {
		patterns[pattern] = regexp.MustCompile(`^(?:` + pattern + `)$`)
	}
	return patterns[pattern].MatchString(text)
}

type judging struct {
	file *rulesFile
	set  ruleSet
}

// field returns the code and the field at fault, or an empty code.
func (j judging) field(name string, r fieldRule, value any) *verdict {
	if value == nil {
		if r.Null {
			return nil
		}
		return &verdict{"MISSING_FIELD", name}
	}
	switch r.Type {
	case "text":
		return j.text(name, r, value.(string))
	case "code":
		var codes []string
		if json.Unmarshal(r.Codes, &codes) != nil {
			var list string
			_ = json.Unmarshal(r.Codes, &list)
			codes = j.file.Codes[list]
		}
		if indexOf(codes, value.(string)) < 0 {
			if j.blank(value.(string)) {
				return &verdict{"MISSING_FIELD", name}
			}
			return &verdict{"UNKNOWN_CODE", name}
		}
	case "int", "decimal", "date":
		return j.number(name, r, value)
	case "list":
		items := value.([]any)
		if r.Max != nil && len(items) > *r.Max {
			return &verdict{"TOO_LONG", name}
		}
		for n, item := range items {
			number := n
			if wrong("items_count_from_one") {
				number++
			}
			if v := j.field(fmt.Sprintf("%s.%d", name, number), *r.Items, item); v != nil {
				return v
			}
		}
		if len(items) < r.Min {
			return &verdict{"BAD_FIELD", name}
		}
	case "record":
		for _, inner := range r.Fields {
			if v := j.field(name+"."+inner.Name, inner, value.(map[string]any)[inner.Name]); v != nil {
				return v
			}
		}
	}
	return nil
}

func (j judging) blank(text string) bool {
	return matches("(?:"+j.file.Blank+")*", text)
}

func (j judging) text(name string, r fieldRule, text string) *verdict {
	code := ""
	whole := text
	if r.Trimmed && (!j.set.ExactText || wrong("text_trimmed_under_rules_2")) {
		text = regexp.MustCompile("^"+j.file.White+"+").ReplaceAllString(text, "")
		text = regexp.MustCompile(j.file.White+"+$").ReplaceAllString(text, "")
		if wrong("text_not_trimmed_under_rules_1") {
			text = whole
		}
	}
	size := utf8.RuneCountInString(text)
	if wrong("text_counted_in_bytes") {
		size = len(text)
	}
	exact := j.set.Exact
	if r.Lines {
		exact = j.set.ExactLines
	}
	switch {
	case r.Max != nil && size > *r.Max:
		code = "TOO_LONG"
	case size < r.Min:
		code = "BAD_FIELD"
	case r.Pattern != nil && !matches(*r.Pattern, text):
		code = "BAD_FIELD"
	case j.set.ExactText && !r.Verbatim && !matches(exact, text) && !wrong("rules_2_like_rules_1"):
		code = "BAD_FIELD"
	case !checkedText(r.Checked, text):
		code = "BAD_FIELD"
	}
	if code != "" && j.blank(whole) && !wrong("blank_text_is_a_bad_field") {
		code = "MISSING_FIELD"
	}
	if code == "" {
		return nil
	}
	return &verdict{code, name}
}

// number compares ints, decimals (unscaled, with their places) and days.
func (j judging) number(name string, r fieldRule, value any) *verdict {
	n := new(big.Rat)
	switch v := value.(type) {
	case int64:
		n.SetInt64(v)
	case day:
		n.SetInt64(int64(v))
	case *big.Rat:
		n = v
	}
	if r.Decimals != nil {
		scaled := new(big.Rat).Mul(n, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(*r.Decimals)), nil)))
		if !scaled.IsInt() {
			return &verdict{"BAD_FIELD", name}
		}
	}
	for _, bound := range []struct {
		raw  json.RawMessage
		fits func(int) bool
	}{
		{r.Least, func(c int) bool { return c >= 0 }},
		{r.Most, func(c int) bool { return c <= 0 }},
		{r.Above, func(c int) bool { return c > 0 }},
		{r.Below, func(c int) bool { return c < 0 }},
	} {
		if limit := boundOf(bound.raw); limit != nil && !bound.fits(n.Cmp(limit)) {
			if wrong("bounds_are_inside") && n.Cmp(limit) == 0 {
				continue
			}
			return &verdict{"OUT_OF_RANGE", name}
		}
	}
	return nil
}

func boundOf(raw json.RawMessage) *big.Rat {
	if raw == nil {
		return nil
	}
	text := strings.Trim(string(raw), `"`)
	if day, err := time.Parse("2006-01-02", text); err == nil {
		return new(big.Rat).SetInt64(day.Unix() / 86400)
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("a bound " + text)
	}
	return n
}
