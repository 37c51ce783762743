package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// token is what a patch compares with: which object it is, what its template is, who set that, and which managers wrote which
// fields of the template and when. Neither its status nor its number of replicas is in it, so that neither an autoscaler nor a
// pod that comes up makes it another; but what somebody changed and changed
// back does, unless the same manager did both in the very second in which it had last written it: the API server tells whole seconds.
func token(w *live) string {
	notes := w.object.GetAnnotations()
	h := sha256.New()
	add := func(parts ...string) {
		for _, s := range parts {
			fmt.Fprintf(h, "%d:%s", len(s), s)
		}
	}
	add(string(w.object.GetUID()), w.digest, notes[opAnnotation], notes[causeAnnotation], notes[pinAnnotation])
	for _, m := range w.object.GetManagedFields() {
		var fields struct {
			Spec struct {
				Template json.RawMessage `json:"f:template"`
			} `json:"f:spec"`
		}
		if m.Subresource != "" || m.FieldsV1 == nil || json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil || fields.Spec.Template == nil {
			continue
		}
		add(m.Manager, string(m.Operation), m.Time.UTC().String(), string(fields.Spec.Template))
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// stamp is the operation that set the template that is there; "" when that was somebody else.
func stamp(w *live) string {
	op, _, digest := stampOf(w.object.GetAnnotations())
	if digest != w.digest {
		return ""
	}
	return op
}
