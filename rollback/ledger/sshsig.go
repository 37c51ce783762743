package ledger

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// EntryNamespace keeps a signature over an entry from being taken for one over anything else.
const EntryNamespace = "entry@backout.dev"

// maxSignature is more than the largest key with a certificate needs.
const maxSignature = 32 << 10

const (
	sigMagic   = "SSHSIG"
	sigVersion = 1
	armorType  = "SSH SIGNATURE"
)

// Signature is one that was made over an entry, and is kept beside its line. Blob is in the form that ssh-keygen -Y sign
// writes, without its armor.
type Signature struct {
	Seq  int64
	Key  string // the fingerprint of the key that made it
	Blob []byte
}

// Signable is the text that a signature over an entry is over: which ledger, which entry, and the digest of the line that was
// written. A redaction leaves it as it is.
func Signable(origin string, seq int64, digest string) []byte {
	return fmt.Appendf(nil, "%s%s\nentry %d\n%s\n", originPrefix, origin, seq, digest)
}

// Armored is a signature as a file, as ssh-keygen -Y verify reads it.
func Armored(blob []byte) string {
	const width = 70
	text := base64.StdEncoding.EncodeToString(blob)
	var b strings.Builder
	b.WriteString(beginSignature + "\n")
	for ; len(text) > width; text = text[width:] {
		b.WriteString(text[:width] + "\n")
	}
	b.WriteString(text + "\n" + endSignature + "\n")
	return b.String()
}

// Unarmored reads what [Armored] and ssh-keygen write.
func Unarmored(text string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != armorType {
		return nil, errors.New("no signature of OpenSSH")
	}
	return block.Bytes, nil
}

// signedBlob is the form of https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig, after its magic.
type signedBlob struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// toSign is what the key itself signs, after the magic.
type toSign struct {
	Namespace string
	Reserved  string
	Hash      string
	Digest    []byte
}

// SSHSig is a signature that was read; nothing was checked yet.
type SSHSig struct {
	Key       ssh.PublicKey
	Namespace string
	hash      string
	signature ssh.Signature
}

// Sign signs a text for a namespace, and gives the signature without its armor. With RSA the signer has to be able to use SHA-512.
func Sign(key ssh.Signer, namespace string, text []byte) ([]byte, error) {
	const hash = "sha512"
	data := append([]byte(sigMagic), ssh.Marshal(toSign{namespace, "", hash, digestBy(hash, text)})...)
	var sig *ssh.Signature
	var err error
	switch by, able := key.(ssh.AlgorithmSigner); {
	case plainType(key.PublicKey()) != ssh.KeyAlgoRSA:
		sig, err = key.Sign(rand.Reader, data)
	case able:
		sig, err = by.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
	default:
		err = errors.New("it signs with SHA-1 alone")
	}
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", ssh.FingerprintSHA256(key.PublicKey()), err)
	}
	blob := append([]byte(sigMagic), ssh.Marshal(signedBlob{sigVersion, key.PublicKey().Marshal(), namespace, "", hash, ssh.Marshal(sig)})...)
	read, err := ReadSSHSig(blob)
	if err == nil {
		err = read.Verify(namespace, text) // an agent is another program
	}
	if err != nil {
		return nil, fmt.Errorf("the signature of %s: %w", ssh.FingerprintSHA256(key.PublicKey()), err)
	}
	return blob, nil
}

// ReadSSHSig reads a signature without its armor.
func ReadSSHSig(blob []byte) (SSHSig, error) {
	rest, ok := bytes.CutPrefix(blob, []byte(sigMagic))
	if !ok || len(blob) > maxSignature {
		return SSHSig{}, errors.New("no signature of OpenSSH")
	}
	var b signedBlob
	if err := ssh.Unmarshal(rest, &b); err != nil || b.Version != sigVersion {
		return SSHSig{}, errors.New("no signature of OpenSSH that is known here")
	}
	s := SSHSig{Namespace: b.Namespace, hash: b.Hash}
	var err error
	if s.Key, err = ssh.ParsePublicKey(b.PublicKey); err != nil {
		return SSHSig{}, fmt.Errorf("its key: %w", err)
	}
	if err := ssh.Unmarshal(b.Signature, &s.signature); err != nil {
		return SSHSig{}, fmt.Errorf("the signature: %w", err)
	}
	return s, nil
}

// Verify looks whether the signature is over the text, for the namespace, by its own key. Whose key that is, [Signers] say.
func (s SSHSig) Verify(namespace string, text []byte) error {
	digest := digestBy(s.hash, text)
	switch plain := plainType(s.Key); {
	case s.Namespace != namespace:
		return fmt.Errorf("it was made for %q, not for %q", s.Namespace, namespace)
	case digest == nil:
		return fmt.Errorf("its hash %q is none of OpenSSH", s.hash)
	case plain == ssh.KeyAlgoRSA && s.signature.Format != ssh.KeyAlgoRSASHA512 && s.signature.Format != ssh.KeyAlgoRSASHA256:
		return fmt.Errorf("it is by %q, which is too weak", s.signature.Format)
	case !strings.HasPrefix(plain, "sk-") && len(s.signature.Rest) > 0:
		return errors.New("something stands after it")
	}
	key := s.Key
	if c, ok := key.(*ssh.Certificate); ok {
		key = c.Key
	}
	data := append([]byte(sigMagic), ssh.Marshal(toSign{s.Namespace, "", s.hash, digest})...)
	if err := key.Verify(data, &s.signature); err != nil {
		return errors.New("it is not over this text, or not by the key that it names")
	}
	return nil
}

// fingerprint names a key as OpenSSH does.
func fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(key) }

// plainType is the type of a key, of a certificate that of the key in it.
func plainType(key ssh.PublicKey) string {
	if c, ok := key.(*ssh.Certificate); ok {
		return c.Key.Type()
	}
	return key.Type()
}

func digestBy(hash string, text []byte) []byte {
	switch hash {
	case "sha256":
		d := sha256.Sum256(text)
		return d[:]
	case "sha512":
		d := sha512.Sum512(text)
		return d[:]
	default:
		return nil
	}
}
