// Package console drives the real program in a real terminal.
package console
