# Every target sets up what it needs. `make` lists them.
.DEFAULT_GOAL := help
SHELL := /usr/bin/env bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SPEC ?= examples/sentiment.yaml
# uv does not read pip's settings: it is given the index that pip uses, so that a mirror works.
INDEX = $(or $(UV_DEFAULT_INDEX),$(UV_INDEX_URL),$(PIP_INDEX_URL),$\
  $(shell $(BIN)/python -m pip config get global.index-url 2>/dev/null))
UV = VIRTUAL_ENV=$(VENV) $(if $(INDEX),UV_DEFAULT_INDEX='$(INDEX)') $(BIN)/uv
# Images: which to build, with which client, from what, and as what the engine's builds trust.
DOCKER ?= docker
IMAGES ?= pipeline serving pipeline-gpu tfx
BASE_IMAGE ?= python:3.13-slim-trixie
CA_BUNDLE ?= $(or $(PIP_CERT),$(REQUESTS_CA_BUNDLE),$(SSL_CERT_FILE))
# Test processes side by side, one more than there are cores, as tests wait too; each needs up to 3 GB.
JOBS ?= $(shell echo $$(( $$(nproc) < 4 ? $$(nproc) + 1 : 4 )))
CODE := bertworks components pipelines tests benchmarks setup.py

# Without compiled modules every step would spend ten seconds more on its imports.
unexport PYTHONDONTWRITEBYTECODE
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-zA-Z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 12))' || \
	  { echo "error: bertworks needs Python 3.11; found $$($(PYTHON) --version 2>&1)."; \
	    echo "  fix: install it, then: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "error: Python cannot make a virtual environment."; \
	    echo "  fix: install the venv module (Debian: apt-get install python3-venv)"; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.runtime: requirements/runtime.txt setup.py | $(BIN)/uv
	@echo "setting up: the packages of the pipeline"
	@$(UV) pip install -q --require-hashes -r $<
	@$(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "setting up: the packages of the tests and the checks"
	@$(UV) pip install -q --require-hashes -r $<
	@touch $@

# The environments of the peers that bertworks is compared with. torch's wheel for CPUs comes by pip.
.venv-peers/.done: requirements/peers.txt
	@echo "setting up: the peers (transformers, torch)"
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install -q --disable-pip-version-check -r $<
	@touch $@

.venv-peers-tfx/.done: requirements/peers-tfx.txt | $(BIN)/uv
	@echo "setting up: the peers (tf.Transform with tensorflow-text)"
	@$(UV) venv -q --allow-existing --python $(PYTHON) .venv-peers-tfx
	@$(UV) pip install -q --python .venv-peers-tfx/bin/python -r $<
	@touch $@

# The whole of torch, with what GPUs need: torchvision's wheels are made for it alone.
.venv-peers-autogluon/.done: requirements/peers-autogluon.txt | $(BIN)/uv
	@echo "setting up: the peer AutoGluon (6 GB)"
	@$(UV) venv -q --allow-existing --python $(PYTHON) .venv-peers-autogluon
	@$(UV) pip install -q --require-hashes --python .venv-peers-autogluon/bin/python -r $<
	@touch $@

# An MLflow server for the slow test of track.mlflow.
.venv-mlflow/.done: requirements/mlflow.txt | $(BIN)/uv
	@echo "setting up: an MLflow server"
	@$(UV) venv -q --allow-existing --python $(PYTHON) .venv-mlflow
	@$(UV) pip install -q --require-hashes --python .venv-mlflow/bin/python -r $<
	@touch $@

# What learns policies of dialogues, and nothing else needs. torch's wheel for CPUs comes by pip.
.venv-dialogue/.done: requirements/dialogue.txt
	@echo "setting up: what learns policies of dialogues (torch, stable-baselines3)"
	@$(PYTHON) -m venv .venv-dialogue
	@.venv-dialogue/bin/python -m pip install -q --disable-pip-version-check -r $<
	@touch $@

.PHONY: setup
setup: $(VENV)/.runtime ## Set up the environment for running pipelines

.PHONY: run
run: $(VENV)/.runtime $(if $(shell grep -ls '^dialogue:' '$(SPEC)'),.venv-dialogue/.done) ## Run the whole way once, on real text (SPEC=examples/sentiment.yaml)
	@$(BIN)/bertworks run $(SPEC)

.PHONY: dialogue
dialogue: SPEC := $(if $(filter command environment,$(firstword $(origin SPEC))),$(SPEC),examples/restaurant/dialogue.yaml)
dialogue: .venv-dialogue/.done ## Learn a dialogue's policy alone (SPEC=examples/restaurant/dialogue.yaml)
	@.venv-dialogue/bin/python -m bertworks.dialogue.learning.train '$(SPEC)' $(ARGS)

.PHONY: test
test: $(VENV)/.dev ## Run the tests
	@$(BIN)/python -m pytest -m "not slow and not docker" -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: cases
cases: $(VENV)/.dev ## Run a folder of cases, each a spec with its data, and print a table (CASES=path ARGS=--all)
	@$(BIN)/python -m tests.cases.run '$(CASES)' $(ARGS)

.PHONY: test-slow
test-slow: $(VENV)/.dev .venv-peers/.done .venv-mlflow/.done .venv-dialogue/.done ## Run the slow tests: whole runs, killed processes, comparisons with torch
	@$(BIN)/python -m pytest -m slow

.PHONY: golden
golden: $(VENV)/.dev ## Write the compiled pipelines that the tests compare with; read the difference
	@BERTWORKS_WRITE_GOLDEN=1 $(BIN)/python -m pytest -q tests/pipelines/test_golden_pipelines.py

.PHONY: docs
docs: $(VENV)/.runtime ## Write docs/artifacts.md from the types in bertworks/contracts
	@$(BIN)/python -m bertworks.contracts.describe docs/artifacts.md

.PHONY: docs-pictures
docs-pictures: $(VENV)/.dev ## Take the pictures of docs/serving.md and docs/dialogue.md (needs chromium, and an agent: make run)
	@$(BIN)/python -m tests.serving.page.pictures $(ARGS)

.PHONY: lint
lint: $(VENV)/.dev ## Check style, the direction of imports, and docs/artifacts.md
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m bertworks.contracts.describe --check docs/artifacts.md

.PHONY: format
format: $(VENV)/.dev ## Rewrite the code in the project's style
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

.PHONY: types
types: $(VENV)/.dev ## Check types
	@$(BIN)/mypy

$(VENV)/.board: requirements/board.txt $(VENV)/.runtime
	@echo "setting up: TensorBoard"
	@$(UV) pip install -q --require-hashes -r $<
	@touch $@

.PHONY: board
board: $(VENV)/.board ## Open the training curves and trials of all runs (ARGS="latest --port 6007")
	@$(BIN)/bertworks board $(ARGS)

.PHONY: serve
serve: $(VENV)/.runtime ## Serve the newest agent on port 8080
	@$(BIN)/bertworks serve

BENCHMARKS := preprocess finetune pretrain efficiency agent pruning overhead start-up serving
BENCH := $(addprefix bench-,$(BENCHMARKS) short page seeds cost confidence tune auto presets explanations drift canary dialogue understanding matching proposals)

.PHONY: bench
bench: $(VENV)/.runtime ## Measure bertworks against its peers, all of it (1 to 2 hours); then the page
	@failed=0; for name in $(BENCHMARKS) page; do \
	  $(MAKE) --no-print-directory bench-$$name || failed=1; done; exit $$failed

.PHONY: bench-NAME
bench-NAME: ## One of: preprocess finetune pretrain efficiency agent pruning overhead start-up serving short page seeds cost confidence tune auto presets explanations drift canary dialogue understanding matching proposals
	@echo "NAME is one of: $(BENCHMARKS) short page seeds cost confidence tune auto presets explanations drift canary dialogue understanding matching proposals; options: make bench-agent ARGS=--help"

.PHONY: $(BENCH)
bench-preprocess bench-finetune bench-pretrain bench-efficiency bench-agent bench-short bench-serving bench-auto: .venv-peers/.done
bench-preprocess: .venv-peers-tfx/.done
bench-dialogue: .venv-dialogue/.done
$(BENCH): bench-%: $(VENV)/.runtime
	@$(BIN)/python -m benchmarks.$(subst -,_,$*) $(if $(DATA),--data '$(DATA)') $(ARGS)

IMAGE_BUILD = DOCKER='$(DOCKER)' BASE_IMAGE='$(BASE_IMAGE)' CA_BUNDLE='$(CA_BUNDLE)' \
  INDEX='$(INDEX)' docker/build.sh

.PHONY: images
images: ## Build the images (IMAGES="pipeline serving", BASE_IMAGE, DOCKER; see docker/README.md)
	@$(IMAGE_BUILD) $(IMAGES)

.PHONY: images-push
images-push: ## Push the images to a registry (REGISTRY=registry.example.com/team IMAGES=...)
	@DOCKER='$(DOCKER)' REGISTRY='$(REGISTRY)' docker/push.sh $(IMAGES)

.PHONY: images-base
images-base: ## Make a base image from Debian's packages, where no registry is reachable (needs root)
	@DOCKER='$(DOCKER)' docker/local-base.sh

.PHONY: images-test
images-test: TESTED = $(if $(filter file,$(origin IMAGES)),pipeline serving,$(IMAGES))
images-test: $(VENV)/.dev ## Build images and test them: pipeline and serving, or IMAGES="pipeline tfx"
	@$(IMAGE_BUILD) $(TESTED)
	@TEST_IMAGES='$(TESTED)' $(BIN)/python -m pytest -m docker tests/docker -rs -v

.PHONY: tfx-test
tfx-test: VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' bertworks/__init__.py)
tfx-test: ## Build the tfx image and run the TFX pipeline's tests in it (ARGS="-k lineage")
	@$(IMAGE_BUILD) tfx
	@BASE_IMAGE=bertworks/tfx:$(VERSION) DOCKER='$(DOCKER)' CA_BUNDLE='$(CA_BUNDLE)' INDEX='$(INDEX)' \
	  docker/build.sh tfx-tests
	@$(DOCKER) run --rm --network none --read-only --tmpfs /tmp:exec,size=8g \
	  -v '$(CURDIR):/checkout:ro' -e PYTHONPATH=/checkout bertworks/tfx-tests:$(VERSION) \
	  python3 -m pytest tests/tfx -v --durations=5 $(ARGS)

# The images' locks: for their Python and platform, at the versions of the environment here where
# these exist there. apache-beam asks for another google-apitools on Python 3.13.
IMAGE_LOCK = $(UV) pip compile -q --generate-hashes --no-header --no-annotate \
  --python-version 3.13 --python-platform x86_64-manylinux_2_39

# Of these tfx wants other versions than the images of the steps have.
TFX_APART = attrs|google-apitools|kubernetes|pyarrow|scikit-learn

.PHONY: lock
lock: $(BIN)/uv ## Resolve the requirements anew, with hashes
	@for set in dev runtime board mlflow peers-autogluon; do \
	  $(UV) pip compile -q --generate-hashes --no-header --no-annotate \
	    $$([ $$set = runtime ] && echo -c requirements/dev.txt) \
	    requirements/$$set.in -o requirements/$$set.txt; done
	@pins=$$(mktemp) && trap 'rm -f '$$pins EXIT && \
	for set in image:runtime serving:image gpu:image build:image; do \
	  grep -oE '^[a-z0-9._-]+==[^ ;]+' requirements/$${set#*:}.txt | grep -v '^google-apitools=' >$$pins; \
	  $(IMAGE_LOCK) -c $$pins requirements/$${set%:*}.in -o requirements/$${set%:*}.txt || exit 1; done; \
	grep -oE '^[a-z0-9._-]+==[^ ;]+' requirements/image.txt | grep -vE '^($(TFX_APART))=' >$$pins; \
	for set in tfx tfx-test; do \
	  $(IMAGE_LOCK) -c $$pins requirements/$$set.in -o requirements/$$set.txt || exit 1; done

.PHONY: kind-up
kind-up: ## Make a kind cluster with Kubeflow Pipelines and the images (needs docker, kind, kubectl)
	@k8s/kind/up.sh

.PHONY: kind-test
kind-test: $(VENV)/.dev ## Run the end-to-end tests against the kind cluster (ARGS="-k cancel")
	@k8s/kind/test.sh $(ARGS)

.PHONY: kind-down
kind-down: ## Delete the kind cluster
	@k8s/kind/down.sh

.PHONY: clean
clean: ## Remove environments, runs and caches (keeps the models: .bertworks/models)
	@rm -rf $(VENV) .venv-peers .venv-peers-tfx .venv-peers-autogluon .venv-mlflow .venv-dialogue .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	@rm -rf .bertworks/downloads .bertworks/pipeline_root .bertworks/checkpoints .bertworks/runs \
	  .bertworks/rows
