//go:build linux

package main

import (
	"testing"

	"github.com/orkee/orkee-jupyter/sandboxd/internal/wire"
)

func onEachLink(b *testing.B, bench func(b *testing.B, s *server)) {
	for _, network := range []string{"unix", "tcp"} {
		b.Run(network, func(b *testing.B) { bench(b, begin(b, network)) })
	}
}

// BenchmarkExecTrue is from OPEN to EXIT.
func BenchmarkExecTrue(b *testing.B) {
	onEachLink(b, func(b *testing.B, s *server) {
		for b.Loop() {
			p, _ := s.exec([]string{"true"})
			p.expect(wire.Exit, nil)
			_ = p.c.Close()
		}
	})
}

const benchMiB = 512

// BenchmarkExecOutput is the rate at which a command's output arrives.
func BenchmarkExecOutput(b *testing.B) {
	onEachLink(b, func(b *testing.B, s *server) {
		b.SetBytes(benchMiB << 20)
		for b.Loop() {
			p, _ := s.exec(as("flood", "512"))
			p.swallow(wire.Exit, wire.Data)
		}
	})
}

// BenchmarkLog is the rate at which the main command's output arrives.
func BenchmarkLog(b *testing.B) {
	for _, network := range []string{"unix", "tcp"} {
		b.Run(network, func(b *testing.B) {
			b.SetBytes(benchMiB << 20)
			for b.Loop() {
				s := begin(b, network)
				log := s.openLog(0, wire.DefaultWindow)
				s.start(as("flood", "512"))
				log.swallow(wire.End, wire.Log)
			}
		})
	}
}

// swallow reads to the last frame, giving credit back by the quarter window.
func (p *peer) swallow(last, counted wire.Type) {
	owed := 0
	for {
		f := p.read()
		if f.Type == last {
			return
		}
		if f.Type == counted {
			owed += len(f.Payload)
		}
		if owed >= wire.DefaultWindow/4 {
			p.credit(owed)
			owed = 0
		}
	}
}
