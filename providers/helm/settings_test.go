package helm_test

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// decoder is what the configuration hands to a factory.
func decoder(values map[string]any) func(any) error {
	return func(into any) error {
		text, err := yaml.Marshal(values)
		if err != nil {
			return err
		}
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		return d.Decode(into)
	}
}
