# `make demo` and `make test` need nothing but Python 3.11+, make, and a network that reaches package registries.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cat requirements-dev.lock pyproject.toml | cksum | cut -d' ' -f1)
export PYTHONDONTWRITEBYTECODE = 1

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' controller/__init__.py)
DIST   ?= dist
NAME   := dashboard-database-operator
DOCKER ?= docker

.PHONY: help demo test chaos check unit parts bench lock crd chart bundle dashboards docs reference pictures sbom image release version format clean
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

demo: $(STAMP) ## The main job on real parts, as a guided tour
	@$(BIN)/python -m tests.demo

test: check parts ## Every test and every check
	$(BIN)/python -m pytest -n auto --dist worksteal -q

chaos: parts ## The long form of all tests that repeat, in about three hours: kills, faults, an idle minute, ten times the examples
	DASHDB_TESTS=long $(BIN)/python -m pytest -n auto --dist worksteal -q -m repeats

check: $(STAMP) ## Formatter, linter, types, import contracts, manifests, documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict crds manifests charts/*/*.yaml tools/olm bundle/tests mkdocs.yml .github .pre-commit-config.yaml
	@$(BIN)/python -m controller.resource.crd | diff - crds/dashboarddatabases.yaml \
	  || { echo "crds/ is not what controller/resource says: run make crd"; exit 1; }
	@$(BIN)/python -m tools.chart --check
	@$(BIN)/python -m tools.bundle --check
	@$(BIN)/python -m tools.dashboards --check
	@$(MAKE) --no-print-directory docs

unit: $(STAMP) ## The tests that need no server, no cluster and no build
	$(BIN)/python -m pytest -q tests/unit tests/perses

parts: $(STAMP) ## The real parts: PostgreSQL, kube-apiserver, etcd, Prometheus, Chromium (got once, then cached)
	@$(BIN)/python -m tests.support.binaries

bench: $(STAMP) ## The numbers of the README
	$(BIN)/python -m benchmarks.apply_to_ready
	$(BIN)/python -m benchmarks.footprint
	$(BIN)/python -m benchmarks.looks
	$(BIN)/python -m benchmarks.migrations
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.notices
	$(BIN)/python -m benchmarks.pool
	$(BIN)/python -m benchmarks.lexer
	$(BIN)/python -m benchmarks.large_files
	$(BIN)/python -m benchmarks.faults
	$(BIN)/python -m benchmarks.hung
	$(BIN)/python -m benchmarks.hand_over
	$(BIN)/python -m benchmarks.soak --minutes 2
	$(BIN)/python -m benchmarks.scale --resources 100 --resources 300
	$(BIN)/python -m benchmarks.scale --bad-servers --resources 200
	$(BIN)/python -m benchmarks.scale --simulated --resources 1000 --resources 5000
	$(BIN)/python -m benchmarks.chaos --runs 5
	$(BIN)/python -m benchmarks.queries --scale 0.1 --writes

lock: $(STAMP) ## Newer versions into the lock files
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --group dev --extra lint -o requirements-dev.lock pyproject.toml

crd: $(STAMP) ## crds/ from controller/resource
	$(BIN)/python -m controller.resource.crd > crds/dashboarddatabases.yaml

reference: $(STAMP) ## docs/reference/exit-codes.md, metrics.md, settings.md, spec.md and status.md from the code
	$(BIN)/python -m tests.support.reference

dashboards: $(STAMP) ## Dashboards of the operator's metrics, for Perses and Grafana
	$(BIN)/python -m tools.dashboards

chart: $(STAMP) ## The Helm chart from manifests/
	$(BIN)/python -m tools.chart

bundle: $(STAMP) ## The bundle for Operator Lifecycle Manager from manifests/
	$(BIN)/python -m tools.bundle

docs: $(STAMP) ## The documents as a site in dist/docs; a broken link is an error
	$(BIN)/python -m mkdocs build --strict --site-dir $(DIST)/docs

pictures: $(STAMP) ## docs/pictures/: dashboards by Perses' components, and the operator's page
	$(BIN)/python -m tests.pictures

sbom: $(STAMP) ## What the image holds of Python, from the lock file, as CycloneDX JSON in dist/
	@mkdir -p $(DIST)
	@sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > $(DIST)/pyproject.sbom.toml
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject $(DIST)/pyproject.sbom.toml --mc-type application \
	  --output-reproducible --of JSON -o $(DIST)/$(NAME)-$(VERSION).cdx.json 2>/dev/null
	@rm $(DIST)/pyproject.sbom.toml
	@echo $(DIST)/$(NAME)-$(VERSION).cdx.json

# A tag may name another image tomorrow, a digest never: only with one can the same source give the same image.
image: sbom ## The image, on a base that is named by its digest, and its list of contents
	@echo '$(PYTHON_IMAGE)' | grep -Eq '@sha256:[0-9a-f]{64}$$' \
	  || { echo "Name the base by its digest: make image PYTHON_IMAGE=python:3.13-slim@sha256:..."; exit 1; }
	$(DOCKER) build --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) --tag $(NAME):$(VERSION) .

# IMAGE=registry.example.com/name@sha256:... is the image that the files install; without it, they name none of a registry.
release: $(STAMP) ## All files of a release, in dist/: packages, install files, chart, bundle, list of contents, image, checksums
	@rm -f $(DIST)/$(NAME)-* $(DIST)/$(subst -,_,$(NAME))-* $(DIST)/install*.yaml $(DIST)/crds.yaml $(DIST)/SHA256SUMS
	@$(MAKE) --no-print-directory sbom
	@$(BIN)/python -m tools.release --into $(DIST) $(if $(IMAGE),--image '$(IMAGE)') $(if $(TAG),--tag '$(TAG)') \
	  $(if $(PYTHON_IMAGE),--base '$(PYTHON_IMAGE)') $(if $(RUNBOOKS),--runbooks '$(RUNBOOKS)')

version: $(STAMP) ## Writes TO=X.Y.Z wherever the version stands
	@$(BIN)/python -m tools.version '$(TO)'
	@$(MAKE) --no-print-directory chart bundle

format: $(STAMP) ## Puts the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Removes what was made here; the cache of real parts stays
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing the locked dependencies into $(VENV) (about a minute the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-*; touch $@
