# Orkee for Jupyter. `make demo` and `make test` do all set-up themselves, on a
# bare Debian 12 machine with Python 3.11, git, make and root or sudo.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-docker docker-smoke lab check format unit processes integration faults faults-quick faketime soak soak-quick browser browser-all screenshots chromium notebooks ui go audit bench fuzz fuzz-protocol lock reference wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install everything: Python packages, the engine, base images
	@PYTHON=$(PYTHON) sh scripts/setup.sh

demo: setup ## the main job: run notebooks/quickstart.ipynb against a real Jupyter server
	@$(BIN)/python scripts/demo.py

test: setup ## everything: checks, Go tests, unit and integration tests, notebooks
	@# Two at a time: the integration tests wait for containers more than they compute.
	@$(MAKE) --no-print-directory -j2 --output-sync=target integration check ui go unit processes
	@$(MAKE) --no-print-directory faults-quick soak-quick browser notebooks docker-smoke

test-docker: setup ## the integration tests on an engine that runs in Docker
	$(BIN)/python -m scripts.docker_engine run pytest -q -m "engine and not browser"

lab: setup ## open JupyterLab with the extension; prints its URL
	@$(BIN)/jupyter lab --no-browser --allow-root --ServerApp.root_dir=$(CURDIR)/notebooks $(LAB_ARGS)

check: ## lint, format, types, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/unasync.py --check
	$(BIN)/python scripts/reference.py --check
	@sh scripts/go.sh check
	@$(BIN)/python scripts/frontend.py run check

ui: ## the tests of the front end's parts
	@$(BIN)/python scripts/frontend.py run test

go: ## the Go tests, with the race detector where cgo can be used
	@sh scripts/go.sh test

unit: ## the Python tests of parts: seconds
	$(BIN)/pytest -q -m "not engine and not slow"

processes: ## the Python tests with real servers, kernels and commands, but no engine
	$(BIN)/pytest -q -m "slow and not engine"

integration: ## the Python tests on the real engine
	$(BIN)/python scripts/alone.py pytest -q -m "engine and not browser"

faults: setup faketime ## break everything on purpose, print what came of it, and write the table of docs/reliability.md
	$(BIN)/python -m scripts.faults $(FAULTS_ARGS)

faketime: ## what sets the clock of a process, from the distribution, where it is missing
	@sh scripts/debian_package.sh libfaketime "The tests of a clock that is set"

faults-quick: ## the quick half of it
	$(BIN)/python scripts/alone.py pytest -q -m "faults and quick" tests/faults

soak: setup ## random use with random kills beside a model, ORKEE_SOAK_MINUTES=30; ORKEE_SOAK_SEED repeats one
	$(BIN)/python scripts/alone.py pytest -q -m "soak and not quick" tests/soak

soak-quick: ## 20 seconds of it
	$(BIN)/python scripts/alone.py pytest -q -m "soak and quick" tests/soak

browser: ## the tests in Chromium: JupyterLab, the panel and the widget on the real engine
	$(BIN)/python scripts/alone.py pytest -q -m "browser and not long" tests/browser

browser-all: ## the same, and those that take minutes
	$(BIN)/python scripts/alone.py pytest -q -m browser tests/browser

browser browser-all screenshots: chromium

chromium: ## the tests' browser, from the distribution, where it is missing
	@sh scripts/chromium.sh

screenshots: setup ## make the pictures of docs/images anew
	$(BIN)/python scripts/alone.py pytest -q tests/browser/screenshots.py

fuzz: setup ## thousands of requests made up from the OpenAPI document (not part of `make test`)
	ORKEE_FUZZ=100 $(BIN)/python scripts/alone.py pytest -q tests/integration/test_fuzz.py

fuzz-protocol: ## both ends of sandboxd's protocol and the websockets, FUZZTIME=60s for each fuzzer in Go (not part of `make test`)
	@sh scripts/go.sh fuzz
	ORKEE_FUZZ_EXAMPLES=$${ORKEE_FUZZ_EXAMPLES:-500} $(BIN)/pytest -q tests/sandboxd/test_fuzz_messages.py tests/sandboxd/test_fuzz_hub.py tests/server/test_fuzz_sockets.py

audit: setup ## ask for known vulnerabilities of what is pinned; says what could not be asked
	@$(BIN)/python -m scripts.audit

docker-smoke: ## the way through everything on an engine in Docker, where Docker can be had
	@$(BIN)/python -m scripts.docker_engine try pytest -q -m engine tests/integration/test_smoke.py

notebooks: ## run the notebooks and compare their outputs
	$(BIN)/python scripts/alone.py pytest -q --nbval --nbval-current-env --nbval-sanitize-with notebooks/sanitize.cfg -p no:cacheprovider -W default notebooks

bench: setup ## measure beside Docker, the Dagger SDK, testcontainers (not part of `make test`)
	$(BIN)/python -m bench $(BENCH_ARGS)

format: ## mend lint and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	gofmt -w engine sandboxd

lock: ## resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --extra lab --group dev --group bench -o requirements.lock pyproject.toml

reference: ## write docs/reference anew from the code
	$(BIN)/python scripts/reference.py

wheel: setup ## build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

clean: ## remove what was built in this folder; the data folder is kept
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis orkee_jupyter/sandboxd/bin \
	  labextension/node_modules labextension/lib orkee_jupyter/labextension orkee_jupyter/widget/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
