package rollouts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers/kube"
)

// Annotations that backout leaves on what it wrote to.
const (
	// opAnnotation names the operation that last switched the object, when the switch was written.
	opAnnotation = "backout.dev/op"
	// stampAnnotation says what that operation did, so that a switch by anybody else afterwards is not taken for ours.
	stampAnnotation = "backout.dev/switch"
	// intentAnnotation is put on before an abort, which cannot be written together with an annotation.
	intentAnnotation = "backout.dev/intent"
)

// stamp is what an operation did to an object.
type stamp struct {
	Op    string   `json:"op"`
	Step  int      `json:"step"`
	To    string   `json:"to"`             // the content that it was to serve afterwards
	Abort bool     `json:"abort"`          // whether it was to be aborted afterwards
	Revs  []string `json:"revs,omitempty"` // the revision numbers that the Rollout may have while nobody else switched it
}

func (t stamp) text() string {
	raw, _ := json.Marshal(t) // strings and numbers always can
	return string(raw)
}

func readStamp(o *kube.Object, key string) (t stamp, ok bool) {
	text := o.GetAnnotations()[key]
	if text == "" || json.Unmarshal([]byte(text), &t) != nil {
		return t, false
	}
	return t, t.Op != ""
}

// stamps are those that the Rollout and its workload carry, finished ones first.
func (s *sight) stamps() []stamp {
	var out []stamp
	for _, key := range []string{stampAnnotation, intentAnnotation} {
		for _, o := range []*kube.Object{s.raw, s.workload} {
			if o == nil {
				continue
			}
			if t, ok := readStamp(o, key); ok {
				out = append(out, t)
			}
		}
	}
	return out
}

// inForce is the stamp of the operation that brought the Rollout to where it is; none where somebody else did.
func (s *sight) inForce() (stamp, bool) {
	digest, _, err := s.serving()
	if err != nil {
		return stamp{}, false
	}
	for _, t := range s.stamps() {
		if t.To == digest && t.Abort == s.aborted() && s.still(t) {
			return t, true
		}
	}
	return stamp{}, false
}

// still reports whether the Rollout has a revision number that it can have only if nobody switched it after the stamp.
func (s *sight) still(t stamp) bool {
	now := s.Meta.Annotations[revisionAnnotation]
	for _, r := range t.Revs {
		if r == now {
			return true
		}
	}
	return len(t.Revs) == 0
}

// revisions are the numbers that the Rollout has now and will have once the controller saw another template.
func (s *sight) revisions() []string {
	next := int64(1)
	if len(s.sets) > 0 {
		next = s.sets[0].numbers[0] + 1
	}
	return []string{s.Meta.Annotations[revisionAnnotation], strconv.FormatInt(next, 10)}
}

// token is what a plan is bound to: the objects, the template, its revision, whether it was aborted, and who says that he
// switched it. Status, scale and the number of the generation are not in it: they change by themselves in an incident.
func (s *sight) token() (string, error) {
	template, err := digestOf(templateOf(s.holder()))
	if err != nil {
		return "", err
	}
	a := s.Meta.Annotations
	parts := []string{
		string(s.Meta.UID), string(s.holder().GetUID()), template, a[revisionAnnotation], strconv.FormatBool(s.Status.Abort), a[stampAnnotation],
		a[causeAnnotation], s.holder().GetAnnotations()[stampAnnotation],
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return label(max(s.newest(), 0)) + "." + hex.EncodeToString(sum[:12]), nil
}

func (s *sight) newest() int64 {
	n, err := strconv.ParseInt(s.Meta.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
