#!/bin/sh
# The browser of the tests: Chromium from the distribution, unless it is there.
set -eu
command -v chromium >/dev/null && exit 0
exec sh "$(dirname "$0")/debian_package.sh" chromium "The tests in a browser"
