package culprit

// stopWords are English words, and words of every alert, that join nothing. They are in stemmed form.
func stopWords(w string) bool {
	switch w {
	case "the", "and", "for", "that", "thi", "with", "from", "are", "was", "were", "not", "but", "have", "has", "had", "you", "our",
		"out", "into", "its", "can", "will", "all", "any", "some", "more", "when", "then", "than", "there", "their", "they", "which",
		"been", "being", "does", "doe", "did", "doing", "don", "isn", "just", "also", "only", "now", "new", "let", "use", "via",
		"this", "because", "becaus", "after", "before", "until", "need", "should", "would", "could", "what", "where", "while",
		"revert", "reason", "change", "chang", "caus", "cause", "break", "broke", "broken", "error", "fail", "failure", "issue",
		"problem", "symptom", "alert", "fir", "warn", "critical", "see", "bug", "fix", "work", "try", "http", "https", "com", "org",
		"too", "per", "get", "got", "one", "two", "still", "again", "seem", "make", "made", "add", "remov", "updat", "update", "issu", "failur", "someth", "anyth", "pleas", "doesn", "actual", "like", "ther", "wher", "whil",
		"befor", "thes", "thos", "due", "sinc", "other", "about", "over", "very", "look", "want", "might", "may", "redact":
		return true
	}
	return false
}
