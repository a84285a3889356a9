# Two commands: 'make reproduce' and 'make test'. 'make help' says what else there is.
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
SCALE ?=
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) $(if $(SCALE),--config scale=$(SCALE))

# Snakemake, pip and Jupyter keep caches below HOME: where there is none, or none that can be written, they get one here.
ifneq ($(shell test -d "$$HOME" && test -w "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/build/home
$(shell mkdir -p build/home)
endif

# setuptools writes the path of this folder in the characters of the locale: those of C have no ü.
ifneq ($(shell locale charmap 2>/dev/null),UTF-8)
export LC_ALL := $(firstword $(filter C.UTF-8 C.utf8 en_US.UTF-8,$(shell locale -a 2>/dev/null)) C.UTF-8)
endif

.DEFAULT_GOAL := help
.PHONY: help reproduce rebuild report readme notebooks schemas rulegraph ship plan install test latex lint unit smoke spot-check \
	test-slurm test-environment bench gpu-bundle gpu-check clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-18s%s\n", $$1, $$2}' Makefile
	@echo "variables: SCALE=smoke|laptop|workstation|paper (default: what config/config.yaml says), CORES=n, PYTHON=python3, VENV=.venv"

reproduce: install ## install what is needed, run everything, end with paper/paper.pdf
	@bash scripts/ensure_latex.sh
	$(SNAKEMAKE)

report: install ## after 'make reproduce': report.html, all figures, tables, claims and notebooks in one offline file
	$(SNAKEMAKE) --report report.html

# The scale that 'make reproduce' takes here, and the latest of its runs: of 'snakemake beyond' or of 'make reproduce'.
CHOSEN = $(or $(SCALE),$(shell $(BIN)/python -c "from pimvae.config import load; print(load(None).scale)"))
RUN = $(patsubst %/claims.csv,%,$(shell ls -t results/$(CHOSEN)/claims.csv results/$(CHOSEN)/beyond/claims.csv 2>/dev/null | head -n 1))

# Shipped results of larger scales: their verdicts come first.
SHOWN_FIRST = $(filter-out %/$(CHOSEN),$(wildcard results/shipped/workstation) $(wildcard results/shipped/paper))

readme: install ## after 'make reproduce': write its verdicts, times and pictures into README.md and docs/
	$(BIN)/pimvae readme --results $(or $(RUN),results/$(CHOSEN)) --scale $(CHOSEN) \
		--before $(SHOWN_FIRST) --pictures docs/figures $(if $(COMPARED),--compared $(COMPARED) --machines "$(MACHINES)") \
		README.md docs/REVIEWERS.md docs/METHODS.md

notebooks: install ## run the first two notebooks on the shipped results and keep their outputs
	$(BIN)/python scripts/run_notebooks.py $(or $(wildcard results/shipped/$(or $(SCALE),laptop)),results/$(or $(SCALE),laptop))

schemas: install ## after a change of src/pimvae/config: the schemas by which editors complete config/*.yaml
	$(BIN)/python scripts/write_schemas.py

rulegraph: install ## after a change of the rules: the drawing in docs/WORKFLOW.md
	$(BIN)/python scripts/write_rulegraph.py

ship: install ## after 'make reproduce': make its results the shipped ones
	$(BIN)/pimvae ship --results $(or $(RUN),results/$(CHOSEN)) --out results/shipped/$(CHOSEN)

rebuild: install ## no training: tables, figures, claims and paper from the shipped results
	@bash scripts/ensure_latex.sh
	$(BIN)/snakemake --cores $(CORES) --config results=shipped $(if $(SCALE),scale=$(SCALE))

spot-check: install ## two cells of the shipped scale trained here: how many of their numbers are the shipped ones?
	@bash scripts/spot_check.sh $(BIN) $(or $(SCALE),laptop) $(CELLS)

plan: install ## what 'make reproduce' will take (time, memory, disk), and its jobs
	$(BIN)/pimvae plan $(if $(SCALE),--scale $(SCALE))
	$(SNAKEMAKE) --dry-run

install: $(VENV)/.installed ## only create the virtual environment

test: latex ## linters, all tests, and the smoke run through to the PDF
	@$(MAKE) --no-print-directory lint unit smoke

latex: ## install LaTeX where that needs no questions
	@bash scripts/ensure_latex.sh

lint: $(VENV)/.installed-dev ## only the linters
	$(BIN)/ruff check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

# A file's tests stay together, so that what they share is made once.
unit: $(VENV)/.installed-dev ## only the tests without the smoke run
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "not smoke"

smoke: $(VENV)/.installed-dev ## only the smoke run, in a temporary copy
	@mkdir -p build
	$(BIN)/pytest -q -m smoke --basetemp build/smoke

test-slurm: $(VENV)/.installed-slurm ## the smoke scale through a SLURM on this machine, as root on Debian (docs/CLUSTER.md)
	@bash scripts/test_slurm.sh $(BIN) "$(LOCAL)" $(AGAIN)

test-environment: ## what conda hands to pip, in an empty environment (minutes, 2 GB)
	@bash scripts/try_environment.sh $(PYTHON)

gpu-bundle: $(VENV)/.installed ## wheels for a machine with a GPU but no network, into build/gpu-bundle
	@bash scripts/gpu_bundle.sh $(BIN)/python

gpu-check: ## on such a machine: tests, benchmarks and cells on its GPU, ten minutes, PYTHON=that of torch
	@PYTHON=$(PYTHON) bash scripts/gpu_check.sh $(if $(DEVICE),--device $(DEVICE)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(QUICK),--quick)

bench: $(VENV)/.installed ## speed and memory as ratios in one run (minutes), of some of it with ONLY="stacking seeds"
	$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(DEVICE),--device $(DEVICE))

clean: ## remove build products and caches, keep results
	rm -rf paper/build .pytest_cache .ruff_cache build src/*.egg-info
	find src tests -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove everything that was made here, results and the virtual environment included
	find results -mindepth 1 -maxdepth 1 ! -name shipped -exec rm -rf {} + 2> /dev/null || true
	rm -rf figures/*/ paper/tables paper/paper.pdf report.html .snakemake $(VENV)

$(VENV)/.installed: pyproject.toml requirements.lock scripts/install.sh
	@bash scripts/install.sh $(PYTHON) $(VENV) '.[workflow,notebooks]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@bash scripts/install.sh $(PYTHON) $(VENV) '.[workflow,notebooks,dev]'
	@touch $@

$(VENV)/.installed-slurm: $(VENV)/.installed-dev
	@bash scripts/install.sh $(PYTHON) $(VENV) '.[workflow,notebooks,dev,slurm]'
	@touch $@
