# Everything a person or a machine does with this project. `make` alone lists it.

VENV := .venv
BIN := $(VENV)/bin
STATE := .sluice
PYTHON ?= python3 python3.11 python3.12 python3.13
PIP_INSTALL := -m pip --disable-pip-version-check install --quiet
# Prints the interpreter of the environment with torch, which is the user's and not the checkout's: it takes 5 GB.
TRAIN := $(BIN)/python models/environment.py
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	--allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run kafka setup setup-run test test-train check format bench bench-lexicon bench-classifiers \
	bench-disguises train measure-model measure-transfer export data-named docs wheel lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

run: setup-run ## the demo: 24 and more streams moderated live on a local Kafka (ARGS="…" for its options)
	@$(BIN)/sluice demo $(ARGS)

kafka: setup-run ## a Kafka on this machine to try things on, until Ctrl-C
	@$(BIN)/sluice kafka

setup: $(VENV)/.dev ## everything for development, from the lock files into .venv

setup-run: $(VENV)/.run

test: setup ## all tests, on a real Kafka too (ARGS="…" for pytest)
	@$(BIN)/python -m pytest $(ARGS)

test-train: $(VENV)/.made ## the tests that need torch, in an environment of their own (ARGS="…" for pytest)
	@python=$$($(TRAIN)) && PYTHONPATH=pipeline $$python -m pytest -m train \
		$$(grep -lr mark.train tests --include='test_*.py') $(ARGS)

check: setup ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## throughput and latency of the pipeline on a local Kafka (ARGS="…")
	@$(BIN)/python benchmarks/pipeline.py $(ARGS)

bench-lexicon: setup ## what the lexicon costs a delta, beside five bare matchers (ARGS="…")
	@$(BIN)/python benchmarks/lexicon.py $(ARGS)

bench-classifiers: setup ## what the classifier costs a sentence and a delta, beside BERT-base (ARGS="…")
	@$(BIN)/python benchmarks/classifiers.py $(ARGS)

bench-disguises: setup data-named ## what the lexicon finds in disguise, into docs (DATA=folder of third-party sets)
	@$(BIN)/python benchmarks/disguises.py "$(DATA)" --markdown docs/lexicon-recall.md $(ARGS)

train: data-named $(VENV)/.made ## train models/default from DATA=folder of third-party sets (two hours; taken up again)
	@python=$$($(TRAIN)) && PYTHONPATH=pipeline:benchmarks $$python models/train.py --data "$(DATA)" \
		--work $(STATE)/training --out models/default $(ARGS)

export: $(VENV)/.made ## `sluice models export` where torch is (ARGS="CHECKPOINT OUT --map … ")
	@python=$$($(TRAIN)) && PYTHONPATH=pipeline $$python -m sluice models export $(ARGS)

measure-model: setup data-named ## the figures of the card of models/default (DATA=folder of third-party sets, ARGS="…")
	@PYTHONPATH=pipeline:benchmarks $(BIN)/python models/evaluate.py --data "$(DATA)" --model models/default $(ARGS)

measure-transfer: data-named $(VENV)/.made ## sources left out of training, SWSR in folds (DATA=…; an hour)
	@python=$$($(TRAIN)) && PYTHONPATH=pipeline:benchmarks $$python models/transfer.py --data "$(DATA)" \
		--work $(STATE)/transfer $(ARGS)

data-named:
	@test -n "$(DATA)" || { echo "say where the data is: make train DATA=…" >&2; exit 2; }

docs: setup ## write the schemas in docs/ anew from the types
	$(BIN)/python -m sluice.contract.schema docs

wheel: setup ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

lock: setup ## write the lock files anew (UPGRADE=1: with newer versions)
	$(COMPILE) --extra local -o requirements/run.txt pyproject.toml requirements/run.in
	$(COMPILE) --extra local -c requirements/run.txt -o requirements/dev.txt \
		pyproject.toml requirements/run.in requirements/dev.in
	$(COMPILE) -c requirements/dev.txt -o requirements/train.txt pyproject.toml requirements/train.in

clean: ## remove all that was made here: environment, Kafka and its data, builds, caches
	rm -rf $(VENV) $(STATE) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps are written last, so an installation that broke off is taken up again.
$(VENV)/.made:
	@for python in $(PYTHON); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or newer is needed; none of these is: $(PYTHON) (python3 is $$(python3 --version 2>&1))." >&2; \
		echo "  Debian, Ubuntu:  sudo apt-get install python3.11 python3.11-venv" >&2; \
		echo "  macOS:           brew install python@3.11" >&2; \
		echo "  elsewhere:       make PYTHON=/path/to/python3.11 …" >&2; \
		exit 1; \
	fi; \
	if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$found has no venv module. Debian, Ubuntu: sudo apt-get install python3-venv" >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version) …"; \
	$$found -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements/run.txt pyproject.toml
	@echo "Installing what running needs …"
	@$(BIN)/python $(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements/run.txt
	@$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "Installing what development needs …"
	@$(BIN)/python $(PIP_INSTALL) --require-hashes --only-binary :all: --no-binary jieba --no-build-isolation \
		-r requirements/dev.txt
	@touch $@
