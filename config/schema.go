package config

// Schema is the JSON Schema (draft 2020-12) of a configuration file, made from the same fields that the check uses.
func Schema(providers []ProviderSchema) map[string]any {
	top := properties(Fields())
	variants := make([]any, 0, len(providers))
	for _, p := range providers {
		s := object(p.Fields)
		props, _ := s["properties"].(map[string]any)
		props["type"] = map[string]any{"const": p.Type}
		props["enabled"] = map[string]any{"type": "boolean"}
		s["title"], s["description"] = p.Type, p.Help
		variants = append(variants, s)
	}
	provider := map[string]any{"type": "object", "additionalProperties": map[string]any{"anyOf": variants}}
	top["providers"] = provider
	section := map[string]any{"type": "object", "properties": top, "additionalProperties": false}
	all := map[string]any{"contexts": map[string]any{"type": "object", "additionalProperties": section}}
	for k, v := range top {
		all[k] = v
	}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://backout.dev/config/v1", "title": "backout configuration",
		"type": "object", "properties": all, "additionalProperties": false,
	}
}

func properties(fields []Field) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		p := property(f)
		if f.Help != "" {
			p["description"] = f.Help
		}
		if f.Default != nil && f.Default != "" {
			p["default"] = f.Default
		}
		out[f.Name] = p
	}
	return out
}

func property(f Field) map[string]any {
	switch f.Type {
	case Int:
		return map[string]any{"type": "integer"}
	case Float:
		return map[string]any{"type": "number"}
	case Bool:
		return map[string]any{"type": "boolean"}
	case Duration:
		return map[string]any{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`}
	case Strings:
		return map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	case Map:
		return map[string]any{"type": "object"}
	case Lists:
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}
	case Objects:
		return map[string]any{"type": "array", "items": object(f.Fields)}
	case Object:
		return object(f.Fields)
	case Secret:
		one := func(name string, v map[string]any) any {
			return map[string]any{"type": "object", "properties": map[string]any{name: v}, "required": []string{name}, "additionalProperties": false}
		}
		str := map[string]any{"type": "string"}
		return map[string]any{"oneOf": []any{one("env", str), one("file", str), one("command", map[string]any{"type": "array", "items": str})}}
	default:
		p := map[string]any{"type": "string"}
		if len(f.Enum) > 0 {
			p["enum"] = f.Enum
		}
		return p
	}
}

func object(fields []Field) map[string]any {
	required := []string{}
	for _, f := range fields {
		if f.Required {
			required = append(required, f.Name)
		}
	}
	return map[string]any{"type": "object", "properties": properties(fields), "required": required, "additionalProperties": false}
}
