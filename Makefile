# `make help` lists what there is. Every target brings the Node and the packages it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
RUN := ./scripts/with-node.sh
export WRANGLER_SEND_METRICS := false
export CLOUDFLARE_CF_FETCH_ENABLED := false

.PHONY: help demo local local-clean install test check test-e2e trace sweep bench format cdk-synth worker-build schema

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## One pull request from opening to nothing left, on this machine (ONCE=1: run through and exit)
	@$(RUN) node scripts/demo.ts

local: install ## The platform alone, kept running (WIRE_LOG=file: every request and reply)
	@$(RUN) node scripts/local.ts

local-clean: ## Every trace of the local platform, also of a run that was killed
	@$(RUN) node scripts/local-clean.ts

install: ## What is missing for the local platform, after asking (YES=1 or CI=true: without)
	@./scripts/install.sh

test: install ## Everything, with real Docker
	@$(RUN) node scripts/test.ts check docker e2e

check: ## Lint, types and the tests that need no Docker and no root (under a minute)
	@$(RUN) node scripts/test.ts check

test-e2e: $(if $(TEST_GITHUB_REPO),,install) ## One pull request end to end; reads only environment variables (filled from a running `make local`)
	@$(RUN) node scripts/test.ts e2e

trace: ## What Eph did for a pull request, step by step: PR=owner/repo#1
	@$(RUN) node scripts/trace.ts "$(PR)"

sweep: ## Runs the cleanup of the local platform now: TASK=due or TASK=compare
	@$(RUN) node scripts/sweep.ts "$(or $(TASK),due)"

bench: ## The numbers of the README, measured here (N=20 pull requests at once; no root, no Docker)
	@$(RUN) node scripts/bench.ts

format: ## Formats and fixes what Biome can
	@$(RUN) npx biome check --write .

cdk-synth: ## The CloudFormation template, offline (settings from .env or placeholders)
	@$(RUN) npx cdk synth -q --no-notices -c placeholders=true

schema: ## The JSON Schema of eph.yaml, from its definition
	@$(RUN) node host/write-schema.ts
