# Each target makes its own virtual environment; only Python (3.11 or later) and make are needed.
# VENV=folder and PYTHON=python3.12 choose another place and another Python.

VENV ?= .venv
PYTHON ?=
ARGS ?=
export VENV PYTHON

.PHONY: help demo test check bench

help:
	@echo "make demo    train a network on handwritten digits and draw what it learned"
	@echo "make test    run the tests (ARGS=... goes to pytest)"
	@echo "make check   format, lint and types"
	@echo "make bench   run the benchmarks"

demo:
	@scripts/setup plot
	@$(VENV)/bin/lamina demo $(ARGS)

test:
	@scripts/test $(ARGS)

check:
	@scripts/check

bench:
	@scripts/bench $(ARGS)
