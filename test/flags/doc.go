// Package flags holds the test of a whole run on a real Unleash: a flag that broke a service is found, planned, confirmed, taken
// back and verified by the service itself.
package flags
