// Package tui is the console: one root model, a stack of screens, and a pump that brings the newest state to them. It
// shows and asks; it does no I/O of its own and reaches the outside only through the small interfaces of [Options].
package tui
