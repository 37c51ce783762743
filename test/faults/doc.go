// Package faults runs the real program on bad input: broken files, broken repositories, servers that answer nonsense, disks
// that are full, and looks for three things: that it says what is wrong and what to do, that nobody else is held up, and
// that nothing that was known is lost.
package faults
