package gameday

import (
	_ "embed" // the page is a file of its own
	"fmt"
	"html/template"
	"io"
)

//go:embed report.html.tmpl
var pageText string

// HTML writes the report as one file that needs nothing else and runs no script. All text from outside is escaped.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"stamp": stamp, "people": people, "short": Short,
		"add": func(a, b int) int { return a + b },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
