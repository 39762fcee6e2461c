// A program in the place of sandboxd that means harm. What it does is the word in /hostile,
// which the tests' template writes there; what sandboxd does beside the link it does too.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	most  = 300 << 20 // bytes that are sent in all
	while = 12 * time.Second
)

var began, sent = time.Now(), 0

func main() {
	switch os.Args[1] {
	case "fill":
		return
	case "empty":
		for _, folder := range os.Args[2:] {
			found, _ := filepath.Glob(filepath.Join(folder, "*"))
			for _, path := range found {
				_ = os.RemoveAll(path)
			}
		}
		return
	case "hold":
		forever()
	}
	word, _ := os.ReadFile("/hostile")
	switch strings.TrimSpace(string(word)) {
	case "garbage":
		garbage := make([]byte, 1<<18)
		_, _ = rand.Read(garbage)
		flood(nil, garbage)
	case "flood":
		data := append([]byte{1}, make([]byte, 200_000)...)
		flood(hello("control"), frame(0x10, data))
	case "length":
		// A notice of the longest length, whose end never comes, and hellos of that kind.
		link := dial(hello("control"))
		_, _ = link.Write([]byte{0x32, 0x04, 0x00, 0x00, '{'})
		for range 100 {
			dial([]byte{0x01, 0x00, 0x10, 0x00, '{'})
		}
	case "sizes":
		dial(hello("control"))
		link := dial(hello("stream"))
		asked := make([]byte, 4)
		_, _ = io.ReadFull(link, asked)
		_, _ = io.CopyN(io.Discard, link, int64(asked[1])<<16|int64(asked[2])<<8|int64(asked[3]))
		entry := binary.BigEndian.AppendUint64(nil, 1<<63)
		entry = binary.BigEndian.AppendUint64(entry, 1<<63)
		_, _ = link.Write(append(say(0x04, map[string]any{"credit": 0}), frame(0x11, append(entry, 1, 'x'))...))
	case "silence":
		dial(hello("control"))
		dial(hello("stream"))
		dial(hello("stream"))
	}
	forever() // also as "absence"
}

func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

// flood sends a first frame and then blocks without an end, on one connection after the other.
func flood(first, block []byte) {
	for sent < most && time.Since(began) < while {
		link := dial(first)
		for sent < most && time.Since(began) < while {
			_ = link.SetWriteDeadline(time.Now().Add(while))
			n, err := link.Write(block)
			sent += n
			if err != nil {
				break
			}
		}
		_ = link.Close()
	}
}

// dial returns a connection on which the bytes were sent; it tries until there is one.
func dial(first []byte) net.Conn {
	network, address := "unix", argument("-socket")
	if address == "" {
		network, address = "tcp", argument("-address")
	}
	for {
		link, err := net.Dial(network, address)
		if err == nil {
			_, _ = link.Write(first)
			return link
		}
		if time.Since(began) > while {
			forever()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func argument(name string) string {
	for i, word := range os.Args[:len(os.Args)-1] {
		if word == name {
			return os.Args[i+1]
		}
	}
	return ""
}

func hello(kind string) []byte {
	token, _ := os.ReadFile(argument("-token-file"))
	return say(0x01, map[string]any{
		"protocol": 1, "kind": kind, "token": string(bytes.TrimSpace(token)),
		"version": "0", "os": "linux", "arch": "amd64",
	})
}

func say(kind byte, body map[string]any) []byte {
	text, _ := json.Marshal(body)
	return frame(kind, text)
}

func frame(kind byte, payload []byte) []byte {
	size := len(payload)
	return append([]byte{kind, byte(size >> 16), byte(size >> 8), byte(size)}, payload...)
}
