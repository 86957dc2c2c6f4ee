# `make help` lists what there is. Every target brings the Node and the packages it needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
RUN := ./scripts/with-node.sh
ADMIN = $(RUN) node scripts/eph-admin.ts
export WRANGLER_SEND_METRICS := false
export CLOUDFLARE_CF_FETCH_ENABLED := false

# What is said on the command line (PR=..., ENV=...) reaches the scripts in their environment, as it was typed: make
# would expand a "$(shell ...)" in it, and a recipe that quoted it would hand it to a shell. Where a command takes it
# as an argument, the recipe has "$$PR", which the shell puts in as one word and never reads again.
typed := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
$(foreach name,$(typed),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

export EPH_ENV_FILE := $(or $(value ENV),.env)

# $(call option,SINCE,since): --since with what SINCE says, if it says something.
option = $(if $(value $1),--$2="$$$1")
# $(call flag,SLEEP,sleep): --sleep for SLEEP=1.
flag = $(if $(filter 1,$(value $1)),--$2)

# All that may be typed, beside settings (.env.example). 1 or 0:
flags := DROP FOLLOW FORCE LIST REMOVE SHOW SLEEP SMOKE YES
variables := $(flags) ARCH CONFIRM DIR ENV FIRST_SEED N NAME ONCE ONLY PLAN PR REPO SEED SEEDS SINCE TAPE TASK TYPES \
  VERBOSE WHAT WIRE_LOG RUN SHELL CI EPH_DEBUG EPH_ENV_FILE TERMINATE_AFTER_SECONDS \
  TEST_GITHUB_API_URL TEST_GITHUB_REPO TEST_GITHUB_TOKEN CF_SERVICE_TOKEN_ID CF_SERVICE_TOKEN_SECRET \
  CLOUDFLARE_API_TOKEN CLOUDFLARE_RUNTIME_TOKEN GITHUB_APP GITHUB_APP_KEY GITHUB_APP_KEY_FILE \
  GITHUB_OAUTH_CLIENT_ID GITHUB_OAUTH_CLIENT_SECRET GITHUB_WEBHOOK_SECRET SECRET_VALUE

targets := $(shell awk -F: '/^[a-z0-9-]+:.*\#\# / {print $$1}' Makefile)
.PHONY: $(targets) _variables

# A name that is nobody's would be passed over: `make pause SLEPE=1` would leave the hosts running. So would SLEEP=yes.
doubtful := $(strip $(filter-out $(variables),$(typed)) \
  $(foreach name,$(filter $(flags),$(typed)),$(if $(filter-out 0 1,$(value $(name))),$(name))))
ifneq ($(doubtful),)
export EPH_DOUBTFUL := $(doubtful)
export EPH_VARIABLES := $(variables)
export EPH_FLAGS := $(flags)
$(targets): _variables
_variables:
	@$(RUN) node dev/refuse-variables.ts
endif

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it, on this machine

demo: install ## One pull request from opening to nothing left, on this machine (ONCE=1: run through and exit)
	@$(RUN) node dev/demo.ts

try: install ## A repository of yours as a pull request here: DIR=../my-app or REPO=<git URL> (updated on each commit)
	@$(RUN) node dev/try.ts

local: install ## The platform alone, kept running (WIRE_LOG=file: every request and reply)
	@$(RUN) node dev/local.ts

local-clean: ## Every trace of the local platform, also of a run that was killed
	@$(RUN) node dev/local-clean.ts

trace: ## What Eph did for a pull request, step by step: PR=owner/repo#1
	@$(RUN) node dev/trace.ts

install: ## What is missing for the local platform, after asking (YES=1 or CI=true: without)
	@./dev/install.sh

##@ Operate it: set up and deploy

setup: ## Asks for what a deployment needs and checks each answer; writes .env (ENV=file: another one)
	@$(ADMIN) setup

doctor: ## Everything that can be wrong with a deployment, checked and explained
	@$(ADMIN) doctor

plan: ## What `make deploy` would change, and what it would cost
	@$(ADMIN) plan

deploy: ## The whole platform, or what changed of it (YES=1: without asking; SMOKE=0: without the walk through it)
	@$(ADMIN) deploy $(call flag,YES,yes) $(if $(filter 0,$(value SMOKE)),--no-smoke)

smoke: ## Walks through what only a real account can confirm, on one host that goes away again
	@$(ADMIN) smoke

destroy: ## Lists what would go; CONFIRM=<deployment id>: everything of this deployment is removed
	@$(ADMIN) destroy $(call option,CONFIRM,confirm)

cost: ## What a deployment costs: idle, asleep, awake (TYPES=t3.xlarge,... instead of the usual ones)
	@$(ADMIN) cost $(call option,TYPES,types)

##@ Operate it: day by day

pause: ## No new hosts until `make resume` (SLEEP=1: the running ones are switched off too)
	@$(ADMIN) pause $(call flag,SLEEP,sleep)

resume: ## Undoes `make pause`
	@$(ADMIN) resume

secret: ## A secret of an application: REPO=owner/repo NAME=KEY (hidden prompt; LIST=1 lists, REMOVE=1 removes)
	@$(ADMIN) secret $(if $(call flag,LIST,list),list "$$REPO",$(if $(call flag,REMOVE,remove),remove,set) "$$REPO" "$$NAME")

rotate: ## Replaces a credential without downtime: WHAT=webhook-secret (DROP=1 forgets the one before), worker-key, cloudflare-token or app-key
	@$(ADMIN) rotate $(if $(value WHAT),"$$WHAT") $(call flag,DROP,drop-previous)

logs: ## What the functions of a deployment log (PR=owner/repo#1: only that; SINCE=6h; FOLLOW=1)
	@$(ADMIN) logs $(call option,PR,pr) $(call option,SINCE,since) $(call flag,FOLLOW,follow)

setup-test-token: ## Variables for `make test-e2e` against a deployment, and how to hand them to CI
	@$(ADMIN) test-token $(call flag,SHOW,show)

##@ Operate it: one part alone

ami-build: ## A machine image, if its inputs changed (ARCH=arm64; FORCE=1)
	@$(ADMIN) image build $(call option,ARCH,arch) $(call flag,FORCE,force)

worker-deploy: ## The Worker alone
	@$(ADMIN) worker deploy

lambda-package: ## The functions' code as zip files in dist/
	@$(ADMIN) functions package

lambda-deploy: ## The functions' code alone
	@$(ADMIN) functions deploy

cdk-diff: ## What CDK would change
	@$(ADMIN) stack diff

cdk-deploy: ## The stack alone
	@$(ADMIN) stack deploy

cdk-destroy: ## The stack alone (CONFIRM=<deployment id>); `make destroy` is what you want
	@$(ADMIN) stack destroy $(call option,CONFIRM,confirm)

##@ Develop it

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

sweep: ## Runs the cleanup of the local platform now: TASK=due or TASK=compare
	@$(RUN) node dev/sweep.ts

bench: ## The figures of the documents, measured here (N=20 pull requests at once; no root, no Docker)
	@$(RUN) node dev/bench.ts

format: ## Formats and fixes what Biome can
	@$(RUN) npx biome check --write .

pin: ## Looks up Node's version and the vendors' checksums of what the image installs, and records them
	@$(RUN) node dev/pin.ts

worker-dev: ## The Worker on this machine, with reloading
	@$(RUN) npx wrangler dev --config worker/wrangler.jsonc

cdk-synth: ## The CloudFormation template, offline (settings from .env or placeholders)
	@$(RUN) npx cdk synth -q --no-notices -c placeholders=true && echo "The template is in cdk.out/."

schema: ## The JSON Schema of eph.yaml, from its definition
	@$(RUN) node host/write-schema.ts

settings: ## .env.example and docs/settings.md, from the table of settings
	@$(RUN) node dev/write-settings.ts
