package shop

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// carriers is the orders service's database: who brings a parcel, and in how many days.
type carriers struct{ db *sql.DB }

// openCarriers opens the database for reading; "" none.
func openCarriers(path string) (*carriers, error) {
	if path == "" {
		return nil, nil
	}
	set := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(2000)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: set.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open the orders database: %w", err)
	}
	return &carriers{db: db}, nil
}

// columns are those that some release read.
func columns() []string { return []string{"days", "hotline", "latest"} }

// read gives the columns of a carrier that a release asks for, by name. One that is not there fails, as it would anywhere.
func (c *carriers) read(ctx context.Context, name string, of []string) (map[string]string, error) {
	out := map[string]string{}
	for _, column := range of {
		if !slices.Contains(columns(), column) {
			return nil, fmt.Errorf("carriers: no release may read %q", column)
		}
		var v sql.NullString
		// In brackets and not in quotes: SQLite takes a quoted name that is no column for a text.
		err := c.db.QueryRowContext(ctx, "SELECT ["+column+"] FROM carriers WHERE name = ?1", name).Scan(&v)
		if err != nil {
			return nil, faultf(http.StatusInternalServerError, "carriers: %w", err)
		}
		out[column] = v.String
	}
	return out, nil
}
