# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
DEMO_FLAGS ?=
FUZZ_SECONDS ?= 60
FUZZ_JOBS ?= 1
TEST_JOBS ?= auto
TEST_FLAGS ?=
FLINK := .flink
EXTRACTOR := .extractor
READERS := .readers

.PHONY: help env demo test test-slow test-gpu flink flink-test extractor readers fuzz audit lint format types lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

env: $(VENV)/.made ## the environment, in .venv, from the lock file

$(VENV)/.made: requirements/dev.lock requirements/uv.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: env ## the main job on an embedded default input: crawl, graphs, tfds build, ALS, recall
	$(BIN)/python examples/demo.py --output $(DEMO) $(DEMO_FLAGS)

test: env ## all tests but the slow ones and those that need a GPU, TEST_JOBS side by side (one a core, at most four)
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist worksteal $(TEST_FLAGS)

test-slow: env ## the slow tests
	$(BIN)/python -m pytest -m slow

test-gpu: env ## the tests that need a GPU
	$(BIN)/python -m pytest -m gpu

flink: $(FLINK)/.made ## Flink and Beam's job server, in .flink, with the hashes that are pinned; needs Maven and Java 17

$(FLINK)/.made: requirements/flink.lock deploy/flink/pom.xml deploy/flink/jars.sha256 $(VENV)/.made
	rm -rf $(FLINK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --target $(FLINK)/flink \
	  --require-hashes --requirement requirements/flink.lock
	mvn --quiet --batch-mode --file deploy/flink/pom.xml -DoutputFolder=$(abspath $(FLINK)) dependency:copy-dependencies
	cd $(FLINK)/jars && sha256sum --quiet --strict --check $(abspath deploy/flink/jars.sha256)
	mvn --quiet --batch-mode --file deploy/flink/pom.xml -DoutputFolder=$(abspath $(FLINK)) package
	rm -r $(FLINK)/jars $(FLINK)/maven
	touch $@

flink-test: env flink ## a build on a Flink cluster of several processes, and with one of them killed
	$(BIN)/python -m pytest -m flink tests/flink

extractor: $(EXTRACTOR)/.made ## the reference WAT extractor, in .extractor, with the hashes that are pinned; needs Maven and Java 17

$(EXTRACTOR)/.made: tests/reference_extractor/pom.xml tests/reference_extractor/jars.sha256
	rm -rf $(EXTRACTOR)
	mvn --quiet --batch-mode --file tests/reference_extractor/pom.xml -DoutputFolder=$(abspath $(EXTRACTOR)) \
	  dependency:copy-dependencies
	cd $(EXTRACTOR)/jars && sha256sum --quiet --strict --check $(abspath tests/reference_extractor/jars.sha256)
	touch $@

readers: $(READERS)/.made ## the oldest and newest Parquet readers that are promised to open a graph, in .readers

$(READERS)/.made: requirements/readers-oldest.lock requirements/readers-newest.lock $(VENV)/.made
	rm -rf $(READERS)
	for age in oldest newest; do \
	  $(PYTHON) -m venv --without-pip $(READERS)/$$age && \
	  $(BIN)/uv pip install --quiet --python $(READERS)/$$age/bin/python --require-hashes \
	    --requirement requirements/readers-$$age.lock || exit 1; \
	done
	touch $@

fuzz: env ## all fuzz targets, FUZZ_SECONDS each (60), FUZZ_JOBS side by side (1)
	$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS)

audit: env ## known vulnerabilities of all pinned dependencies; needs PyPI's advisory service
	@failed=; for lock in requirements/*.lock; do \
	  echo "$$lock"; $(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --timeout 30 \
	    --requirement $$lock || failed="$$failed $$lock"; \
	done; \
	if [ -n "$$failed" ]; then \
	  echo "Vulnerable, or not audited because the advisory service did not answer (see above):$$failed"; exit 1; \
	fi

lint: env ## ruff: lint and format check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: env ## ruff: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: env ## mypy
	$(BIN)/mypy

lock: env ## pin all dependencies anew, with hashes and without index addresses
	$(BIN)/uv pip compile --quiet pyproject.toml --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --output-file requirements/base.lock
	for extra in pipeline tfds solver peers all dev; do \
	  $(BIN)/uv pip compile --quiet pyproject.toml --extra $$extra --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --output-file requirements/$$extra.lock; \
	done
	$(BIN)/uv pip compile --quiet pyproject.toml --extra solver --constraint requirements/jax-0.11.in --python-version 3.12 \
	  --generate-hashes --no-emit-index-url --no-header --output-file requirements/solver-jax-0.11.lock
	for age in oldest newest; do \
	  $(BIN)/uv pip compile --quiet requirements/readers-$$age.in --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --output-file requirements/readers-$$age.lock; \
	done
	echo uv | $(BIN)/uv pip compile --quiet - --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --output-file requirements/uv.lock

clean: ## what was made here
	rm -rf $(VENV) $(FLINK) $(EXTRACTOR) $(READERS) $(DEMO) build dist *.egg-info
