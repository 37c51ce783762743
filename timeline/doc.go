// Package timeline merges what providers report into one timeline: de-duplicated, indexed, windowed, in lanes and
// incidents, and handed out as immutable snapshots.
package timeline
