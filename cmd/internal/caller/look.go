package caller

// Look sees what there is to see of this process. Ancestors are looked at up to, and without, the process boundary: it is 0, all
// of them, in the program; tests that themselves run below an agent set it to their own.
func Look(env []string, boundary int) Sight {
	s := Sight{Env: env}
	var why string
	if s.Ancestors, why = ancestors(boundary); why != "" {
		s.Unseen = append(s.Unseen, why)
	}
	if s.Terminal, why = terminal(); why != "" {
		s.Unseen = append(s.Unseen, why)
	}
	return s
}
