#!/bin/sh
# All set-up, step by step, each with its time. Every step is skipped when it
# was done before, and resumes when it was interrupted.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
began=$(date +%s)

say() { printf '[%3d s] %s\n' $(($(date +%s) - began)) "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"
	elif sudo -n true 2>/dev/null; then sudo -n "$@"
	else stop "root is needed for this once; ask an administrator to run: sudo $*"
	fi
}

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
	stop "Python 3.11 or later is needed; set PYTHON to one."

# Debian ships Python without the means to make a virtual environment.
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
	say "installing python3-venv (apt-get, as root)"
	as_root apt-get update -qq
	as_root apt-get install -qq --yes --no-install-recommends python3-venv >/dev/null
fi

wanted=$(cat requirements.lock pyproject.toml hatch_build.py | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/.done 2>/dev/null)" != "$wanted" ]; then
	say "installing the Python packages into .venv (about a minute at first)"
	rm -f .venv/.done
	[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	say "building sandboxd and the front end, and installing the package"
	.venv/bin/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	printf '%s\n' "$wanted" >.venv/.done
fi
.venv/bin/python hatch_build.py
# JupyterLab loads the front end from the working copy: what is built anew is there at once.
mkdir -p .venv/share/jupyter/labextensions
ln -sfn ../../../../orkee_jupyter/labextension .venv/share/jupyter/labextensions/orkee-jupyter

say "engine: packages and programs (at first 5 to 6 minutes on 2 cores: Dagger is built from Go modules)"
.venv/bin/orkee engine install
say "base images (built from Debian packages where no image registry answers: about 3 minutes at first)"
.venv/bin/orkee engine images
say "set-up is done"
