# `make help` lists what there is. Every target brings the Node and the packages it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
RUN := ./scripts/with-node.sh
export WRANGLER_SEND_METRICS := false
export CLOUDFLARE_CF_FETCH_ENABLED := false


# What is said on the command line (PR=..., ENV=...) reaches the scripts in their environment, as it was typed: make
# would expand a "$(shell ...)" in it, and a recipe that quoted it would hand it to a shell.
typed := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
$(foreach name,$(typed),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

export EPH_ENV_FILE := $(or $(value ENV),.env)

.PHONY: $(shell awk -F: '/^[a-z0-9-]+:.*## / {print $$1}' Makefile)

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## One pull request from opening to nothing left, on this machine (ONCE=1: run through and exit)
	@$(RUN) node dev/demo.ts

try: install ## A repository of yours as a pull request here: DIR=../my-app or REPO=<git URL> (updated on each commit)
	@$(RUN) node dev/try.ts

local: install ## The platform alone, kept running (WIRE_LOG=file: every request and reply)
	@$(RUN) node dev/local.ts

local-clean: ## Every trace of the local platform, also of a run that was killed
	@$(RUN) node dev/local-clean.ts

install: ## What is missing for the local platform, after asking (YES=1 or CI=true: without)
	@./dev/install.sh

test: install ## Everything, with real Docker
	@$(RUN) node dev/test.ts check scripts walk docker e2e

check: ## Lint, types and the tests that need no Docker and no root (under a minute)
	@$(RUN) node dev/test.ts check

attack: ## What a forged message or a hostile host could do, tried (two minutes at the most, nothing leaves this machine)
	@$(RUN) node dev/test.ts attack

sim: ## The control plane under every mishap: all plans, and what seeds draw (SEEDS=10000 FIRST_SEED=1; the story of one: SEED=7, TAPE=file, PLAN=...)
	@$(RUN) node tests/sim/run.ts

sim-mutants: ## Which protections the simulation misses when they are taken out (SEEDS=1000 each, then all plans)
	@$(RUN) node tests/sim/mutants.ts

test-e2e: $(if $(value TEST_GITHUB_REPO),,install) ## One pull request end to end; reads only environment variables (filled from a running `make local`)
	@$(RUN) node dev/test.ts e2e

trace: ## What Eph did for a pull request, step by step: PR=owner/repo#1
	@$(RUN) node scripts/trace.ts

sweep: ## Runs the cleanup of the local platform now: TASK=due or TASK=compare
	@$(RUN) node dev/sweep.ts

bench: ## The numbers of the README, measured here (N=20 pull requests at once; no root, no Docker)
	@$(RUN) node dev/bench.ts

format: ## Formats and fixes what Biome can
	@$(RUN) npx biome check --write .

setup: ## Asks for what a deployment needs and checks each answer; writes .env (ENV=file: another one)
	@$(RUN) node scripts/setup.ts

doctor: ## Everything that can be wrong with a deployment, checked and explained
	@$(RUN) node scripts/doctor.ts

plan: ## What `make deploy` would change, and what it would cost
	@$(RUN) node scripts/plan.ts

deploy: ## The whole platform, or what changed of it (YES=1: without asking)
	@$(RUN) node scripts/deploy.ts

smoke: ## Walks through what only a real account can confirm, on one host that goes away again
	@$(RUN) node scripts/smoke.ts

destroy: ## Lists what would go; CONFIRM=<deployment id>: everything of this deployment is removed
	@$(RUN) node scripts/destroy.ts

pause: ## No new hosts until `make resume` (SLEEP=1: the running ones are switched off too)
	@$(RUN) node scripts/pause.ts pause

resume: ## Undoes `make pause`
	@$(RUN) node scripts/pause.ts resume

secret: ## A secret of an application: REPO=owner/repo NAME=KEY (hidden prompt; LIST=1 lists, REMOVE=1 removes)
	@$(RUN) node scripts/secret.ts

rotate: ## Replaces a credential without downtime: WHAT=webhook-secret (DROP=1 forgets the one before), worker-key, cloudflare-token or app-key
	@$(RUN) node scripts/rotate.ts

logs: ## What the functions of a deployment log (PR=owner/repo#1: only that; FOLLOW=1)
	@$(RUN) node scripts/logs.ts

cost: ## What a deployment costs: idle, asleep, awake (TYPES=t3.xlarge,... beside the usual ones)
	@$(RUN) node scripts/cost.ts

setup-test-token: ## Variables for `make test-e2e` against a deployment, and how to hand them to CI
	@$(RUN) node scripts/setup-test-token.ts

ami-build: ## A machine image, if its inputs changed (ARCH=arm64; FORCE=1)
	@$(RUN) node scripts/ami-build.ts

pin: ## Looks up Node's version and the vendors' checksums of what the image installs, and records them
	@$(RUN) node dev/pin.ts

worker-dev: ## The Worker on this machine, with reloading
	@$(RUN) npx wrangler dev --config worker/wrangler.jsonc

worker-deploy: ## The Worker alone
	@$(RUN) node scripts/worker-deploy.ts

lambda-package: ## The functions' code as zip files in dist/
	@$(RUN) node scripts/lambda-package.ts

lambda-deploy: ## The functions' code alone
	@$(RUN) node scripts/lambda-deploy.ts

cdk-synth: ## The CloudFormation template, offline (settings from .env or placeholders)
	@$(RUN) npx cdk synth -q --no-notices -c placeholders=true && echo "The template is in cdk.out/."

cdk-diff: ## What CDK would change
	@$(RUN) node scripts/cdk.ts diff

cdk-deploy: ## The stack alone
	@$(RUN) node scripts/cdk.ts deploy

cdk-destroy: ## The stack alone; `make destroy` is what you want
	@$(RUN) node scripts/cdk.ts destroy

schema: ## The JSON Schema of eph.yaml, from its definition
	@$(RUN) node host/write-schema.ts
