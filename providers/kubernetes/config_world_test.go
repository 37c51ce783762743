package kubernetes

// configs are the tests of configuration: what the archive keeps of it, and how it goes back.
func configs() []edge {
	return []edge{
		{"a secret in a template is not archived", withheld},
	}
}
