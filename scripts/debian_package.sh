#!/bin/sh
# A package of the distribution that tests need, unless it is there: NAME, and what needs it.
set -eu
name=$1 what=$2
dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed && exit 0

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif sudo -n true 2>/dev/null; then sudo -n "$@"
	else
		printf '%s need %s. Ask an administrator to run: sudo %s\n' "$what" "$name" "$*" >&2
		exit 1
	fi
}

echo "installing $name (apt-get, as root)"
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$name" >/dev/null
