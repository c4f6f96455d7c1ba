# Every command that a person or CI needs; `make help` lists them. Only Python 3.11 or 3.12, git, make and a network are needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help env up test check fast bench bench-ingest lock clean

PYTHON ?= python3
UV := .tools/uv/bin/uv
STAMP := .venv/.logster-env
RUN := .venv/bin

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m venv .tools/uv
	.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

$(STAMP): requirements.lock pyproject.toml | $(UV)
	test -x .venv/bin/python || $(UV) venv --quiet --python $(PYTHON) .venv
	VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=$(CURDIR)/.venv $(UV) pip install --quiet --no-deps --editable .
	touch $(STAMP)

env: $(STAMP)  ## build .venv with everything in it, `logster` included

up: env  ## run the main job on sample telemetry: pipeline, alerts, API, dashboards; Ctrl-C stops it
	$(RUN)/logster up --demo

test: env  ## run all tests
	$(RUN)/pytest -m "fast or not fast" --durations=40 $(PYTEST_ARGS)

fast: env  ## run the tests that take seconds
	$(RUN)/pytest -q

check: env  ## format, lint, types, import layers, fast tests
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports --no-cache
	$(RUN)/pytest -q

bench: env  ## measure throughput and latency, each against a peer in the same run
	$(RUN)/python -m benchmarks.run $(BENCH_ARGS)

bench-ingest: env  ## measure the stream into raw and events alone, at growing sizes, against a peer in the same run
	$(RUN)/python -m benchmarks.ingest $(BENCH_ARGS)

lock: $(UV)  ## resolve the dependencies anew
	$(UV) pip compile pyproject.toml --quiet --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -o requirements.lock
	$(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -o requirements-run.lock
	$(UV) pip compile superset/requirements.in --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -o superset/requirements.lock

clean:  ## remove what was built, not the lake
	rm -rf .venv .venv-superset .venv-superset.lock .tools .pytest_cache .mypy_cache .ruff_cache
