//go:build race

package main

// raceEnabled: memory is no measure then.
const raceEnabled = true
