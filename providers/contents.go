package providers

import "context"

// Contents is the ability of a source that can tell what stood in files at commits. It changes nothing and fetches nothing. What is
// too much to read, or is not here, is an error and never a shorter answer.
type Contents interface {
	// Between tells what the commits did to files that newer has and older has not. It is [ErrNotFound] where not both are here.
	Between(ctx context.Context, older, newer string) (Between, error)
	// Files lists the files of a commit whose path is wanted.
	Files(ctx context.Context, commit string, want func(path string) bool) ([]FileAt, error)
	// Read gives contents by their id. One that is not here, is too large, or is no text of a file, is left out.
	Read(ctx context.Context, ids []string) (map[string]string, error)
}

// Mentioner is the extra ability of [Contents] that can look for words.
type Mentioner interface {
	// Mentions lists the files of a commit that hold every one of the words, which are of letters, digits and underscores. Case, an
	// underscore between two words and an s at the end make no difference.
	Mentions(ctx context.Context, commit string, words []string) ([]FileAt, error)
}

// Between is the way between two commits. Touched are the versions of files that the commits on it left behind, newest first;
// Missed are those of the commits that older has and newer has not.
type Between struct {
	Commits []string
	Touched []Touched
	Missed  []Touched
}

// Touched is one version of a file. ID names its content, "" where the file was taken away; Added says that it was not there before.
// Service is whose file it is, "" where the source was not told.
type Touched struct {
	Path, ID, Commit, Service string
	Added                     bool
}

// FileAt is a file of one commit.
type FileAt struct{ Path, ID, Service string }
