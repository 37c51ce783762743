package nodeagent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ImageConfig is the file of an image that says what is started.
const ImageConfig = "image.json"

// imageStore is the directory of images.
type imageStore struct{ dir string }

// image is one image as it is now.
type image struct {
	dir    string
	id     string // NAME@sha256:..., of all that is in it
	config struct {
		Entrypoint []string `json:"entrypoint"`
	}
}

// ImagePath is where the image of a reference is in the directory of images.
func ImagePath(images, reference string) (string, error) {
	name, tag := nameAndTag(reference)
	path := filepath.FromSlash(name + "/" + tag)
	if name == "" || tag == "" || !filepath.IsLocal(path) || strings.Contains(reference, "@") {
		return "", fmt.Errorf("%q is no reference of an image here", reference)
	}
	return filepath.Join(images, path), nil
}

func nameAndTag(reference string) (name, tag string) {
	if i := strings.LastIndex(reference, ":"); i > strings.LastIndex(reference, "/") {
		return reference[:i], reference[i+1:]
	}
	return reference, "latest"
}

// pull finds an image. What is not there cannot be pulled.
func (s imageStore) pull(reference string) (image, error) {
	dir, err := ImagePath(s.dir, reference)
	if err != nil {
		return image{}, err
	}
	m := image{dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, ImageConfig))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s: not found", reference)
	}
	if err == nil {
		err = json.Unmarshal(data, &m.config)
	}
	if err != nil {
		return m, fmt.Errorf("read image %s: %w", reference, err)
	}
	if len(m.config.Entrypoint) == 0 {
		return m, fmt.Errorf("read image %s: %s names no entrypoint", reference, ImageConfig)
	}
	digest, err := contentDigest(dir)
	if err != nil {
		return m, fmt.Errorf("read image %s: %w", reference, err)
	}
	name, _ := nameAndTag(reference)
	m.id = name + "@sha256:" + digest
	return m, nil
}

// contentDigest is over the names and contents of everything below dir.
func contentDigest(dir string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		var data []byte
		if d.Type()&fs.ModeSymlink != 0 {
			var target string
			target, err = os.Readlink(path)
			data = []byte(target)
		} else {
			data, err = os.ReadFile(path)
		}
		fmt.Fprintf(h, "%s\x00%d\x00%s", filepath.ToSlash(rel), len(data), data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
