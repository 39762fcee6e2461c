#!/bin/sh
# The browser of the tests: Chromium from the distribution, unless it is there.
set -eu
command -v chromium >/dev/null && exit 0

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif sudo -n true 2>/dev/null; then sudo -n "$@"
	else
		printf 'The tests in a browser need Chromium. Ask an administrator to run: sudo %s\n' "$*" >&2
		exit 1
	fi
}

echo "installing Chromium (apt-get, as root)"
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium >/dev/null
