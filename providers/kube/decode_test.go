package kube

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func decodedBoth(t *testing.T, text string, slim bool) (mine []any, theirs []any, mineErr, theirErr error) {
	t.Helper()
	known := map[string]string{}
	p, err := pageOf([]byte(text), known)
	if err == nil {
		_, err = p.each(known, slim, func(o *Object) bool { mine = append(mine, o.Object); return true })
	}
	var list unstructured.UnstructuredList
	theirErr = list.UnmarshalJSON([]byte(text))
	for _, i := range list.Items {
		if slim {
			i.SetManagedFields(nil)
		}
		theirs = append(theirs, i.Object)
	}
	return mine, theirs, err, theirErr
}

const pods = `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"next"},"items":[ITEMS]}`

// What the decoder reads is what apimachinery reads.
func TestDecodeAgreesWithApimachinery(t *testing.T) {
	for _, items := range []string{
		``, `{"metadata":{"name":"a","labels":{"x":"1"}}}`, `{"kind":"Other","apiVersion":"x/v2","metadata":{"name":"a"}}, {"metadata":{"name":"b"}}`,
		`{"n":[0,-0,1,-17,9223372036854775807,9223372036854775808,1.5,-2e3,1E+2,0.0]}`, `{"v":[true,false,null,[],{},[[]],{"a":{"b":[{"c":null}]}}]}`,
		`{"s":["","\"","\\","\\\"","a\\","\u00e9\ud83d\ude00\n\/","é😀","<>&"]}`, " {\n\"a\" :\t1 ,\r\"b\" : [ 1 , 2 ] } ",
		`{"a":1,"a":2}`, `{"metadata":{"name":"a","managedFields":[{"manager":"m","fieldsV1":{"f:spec":{"f:x":{}}}}]},"data":{"managedFields":"kept"},"spec":{"managedFields":1}}`,
		`{"long":"` + strings.Repeat("x", 3*maxWord) + `","` + strings.Repeat("k", 2*maxWord) + `":1}`,
	} {
		for _, slim := range []bool{false, true} {
			text := strings.ReplaceAll(pods, "ITEMS", items)
			mine, theirs, err, theirErr := decodedBoth(t, text, slim)
			if err != nil || theirErr != nil {
				t.Errorf("%s: %v, %v", items, err, theirErr)
			}
			if !reflect.DeepEqual(mine, theirs) {
				t.Errorf("%s: %#v, want %#v", items, mine, theirs)
			}
		}
	}
}

func TestDecodeRefusesWhatIsNoJSON(t *testing.T) {
	for _, items := range []string{
		`{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":01}`, `{"a":+1}`, `{"a":1.}`, `{"a":.5}`, `{"a":nul}`, `{"a":truex}`, `{"a":"\x"}`, `{"a":"`, `{"a":[1 2]}`,
		`{"a":1 "b":2}`, `[1]`, `1`, `{"a":` + strings.Repeat("[", 2*maxDepth) + strings.Repeat("]", 2*maxDepth) + `}`, "{\"a\":\"\x01\"}",
	} {
		if mine, _, err, _ := decodedBoth(t, strings.ReplaceAll(pods, "ITEMS", items), false); err == nil {
			t.Errorf("%s: %v", items, mine)
		}
	}
	for _, text := range []string{``, `null`, `[]`, `{}`, `{"kind":"PodList","items":`, `<html>`, `{"kind":"PodList","items":[]} x`} {
		if _, err := pageOf([]byte(text), map[string]string{}); err == nil {
			t.Errorf("%q is read as a list", text)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"metadata":{"name":"a"},"n":[1,2.5,"\u00e9"],"t":true}`)
	f.Fuzz(func(t *testing.T, item string) {
		if !json.Valid([]byte(item)) || !strings.HasPrefix(item, "{") {
			return
		}
		text := strings.ReplaceAll(pods, "ITEMS", item)
		mine, theirs, err, theirErr := decodedBoth(t, text, false)
		if theirErr == nil && (err != nil || !reflect.DeepEqual(mine, theirs)) {
			t.Errorf("%s: %#v (%v), want %#v", item, mine, err, theirs)
		}
	})
}
