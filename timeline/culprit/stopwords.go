package culprit

// stopWords are English words, and words of every alert, that join nothing. They are as written or as [stem] leaves them.
func stopWords(w string) bool {
	switch w {
	case "the", "and", "for", "that", "thi", "with", "from", "are", "was", "were", "not", "but", "have", "has", "had", "you", "our",
		"out", "into", "its", "can", "will", "all", "any", "some", "more", "when", "then", "than", "there", "their", "they", "which",
		"been", "being", "does", "did", "doing", "don", "isn", "doesn", "just", "also", "only", "now", "new", "let", "use", "via",
		"this", "these", "those", "because", "after", "before", "until", "since", "need", "should", "would", "could", "might", "may",
		"what", "where", "while", "other", "about", "over", "very", "too", "per", "get", "got", "one", "two", "still", "again",
		"revert", "reason", "change", "chang", "cause", "caus", "due", "break", "broke", "broken", "error", "fail", "failure", "failur",
		"issue", "issu", "problem", "symptom", "alert", "fir", "warn", "critical", "bug", "fix", "work", "try", "see", "seem", "look",
		"want", "make", "made", "add", "remov", "updat", "something", "anything", "please", "actually", "like",
		"http", "https", "com", "org", "redact":
		return true
	}
	return false
}
