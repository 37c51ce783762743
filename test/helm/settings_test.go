package helm

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// decode is what the configuration does for a provider.
func decode(values map[string]any, into any) error {
	text, err := yaml.Marshal(values)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return d.Decode(into)
}
