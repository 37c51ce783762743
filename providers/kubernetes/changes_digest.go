package kubernetes

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
)

// contentDigest is the digest of JSON with sorted keys.
func contentDigest(h hash.Hash, content any) string {
	data, err := json.Marshal(content)
	if err != nil { // what came as JSON can be written as JSON
		return ""
	}
	h.Write(data)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// keyedDigest tells two contents apart without a word about them to whoever does not have the key.
func keyedDigest(key []byte, content any) string {
	return contentDigest(hmac.New(sha256.New, key), content)
}

func short(digest string) string {
	const prefix, length = len("sha256:"), 8
	if len(digest) < prefix+length {
		return digest
	}
	return digest[prefix : prefix+length]
}
