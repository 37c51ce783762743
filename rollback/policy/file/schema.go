package file

import "github.com/backout-dev/backout/rollback/policy"

type object = map[string]any

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. What it cannot say (types of expressions, names of
// groups) the loader checks.
func Schema() map[string]any {
	need := object{
		"not": words("requester", "on_behalf_of", "change.author", "change.driver"), "deny": object{"type": "integer", "minimum": 1},
		"approval_expires": text(), "execution_expires": text(),
	}
	asks := merge(need, object{
		"name": text(), "when": facts(true), "if": text(), "direction": words("back", "forward"), "drill": word("L1", "L2", "L3", "L4"),
		"refuse": text(), "mode": word("deny", "warn", "audit"),
	})
	ends := object{"reason": text(), "owner": text(), "expires_at": moment(), "until": text()}
	threshold := closed(object{"approve": object{"type": "integer", "minimum": 1}, "from": who()}, "approve", "from")
	thresholds := object{"oneOf": []any{threshold, object{"type": "array", "items": threshold, "minItems": 1}}}
	clock := object{"type": "string", "pattern": `^([0-9]{1,2}:[0-9]{2})$`}
	hours := closed(object{"from": clock, "to": clock, "timezone": text(), "days": words("mon", "tue", "wed", "thu", "fri", "sat", "sun")}, "from", "to", "timezone")
	members := object{"type": "object", "additionalProperties": object{"oneOf": []any{text(), object{"type": "array", "items": text()}}}}
	top := closed(object{
		"version": object{"const": 1}, "groups": members, "roles": members, "responders": list(who()),
		"rules": list(closed(merge(asks, object{"require": thresholds, "reason": word("required")}), "name")),
		"grants": list(closed(object{
			"name": text(), "to": object{"oneOf": []any{object{"const": "anybody"}, who()}}, "kind": words("human", "automation", "agent"),
			"may": words(Scopes()...), "units": words(), "env": words(), "direction": words("back", "forward"), "hours": hours,
		}, "name", "to", "may")),
		"freezes": list(closed(merge(ends, object{
			"name": text(), "when": facts(true), "if": text(), "direction": words("back", "forward"),
			"start": moment(), "end": moment(), "cron": text(), "duration": text(), "timezone": text(),
		}), "name", "reason", "owner")),
		"friction": list(closed(merge(asks, ends, object{"add": thresholds}), "name", "reason", "owner")),
		"cases": list(closed(object{
			"name": text(), "given": facts(false), "expect": word("allow", "needs", "deny"), "rules": words(),
		}, "name", "given", "expect")),
	}, "version")
	return merge(top, object{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://backout.dev/policy/v1", "title": "backout policy"})
}

func text() object                { return object{"type": "string", "minLength": 1} }
func moment() object              { return object{"type": "string", "format": "date-time"} }
func word(known ...string) object { return object{"enum": known} }
func list(item object) object     { return object{"type": "array", "items": item} }

// words is a word or a list of words.
func words(known ...string) object {
	one := text()
	if len(known) > 0 {
		one = word(known...)
	}
	return object{"oneOf": []any{one, object{"type": "array", "items": one, "minItems": 1}}}
}

func closed(properties object, required ...string) object {
	if required == nil {
		required = []string{}
	}
	return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func who() object {
	return merge(closed(object{"group": text(), "role": text(), "principal": text()}), object{"minProperties": 1})
}

// facts is a mapping of facts: what a condition asks for, or a case gives.
func facts(condition bool) object {
	properties := object{}
	for _, f := range policy.KnownFacts() {
		var one object
		switch {
		case f.Type == policy.FactTime && condition:
			continue
		case f.Type == policy.FactTime:
			one = moment()
		case f.Type == policy.FactInt:
			one = object{"oneOf": []any{object{"type": "integer"}, list(object{"type": "integer"})}}
		case f.Type == policy.FactBool:
			one = object{"type": "boolean"}
		default:
			one = words(f.Enum...)
		}
		properties[f.Path] = merge(one, object{"description": f.Help})
		if condition {
			properties["not "+f.Path] = one
		}
	}
	return closed(properties)
}

func merge(all ...object) object {
	out := object{}
	for _, m := range all {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}
