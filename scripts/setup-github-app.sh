#!/bin/sh
# Sets up the GitHub App: a new one, made with one click, or one that exists already; its secrets go to Parameter
# Store. An App that works is kept; running it twice is harmless.
cd "$(dirname -- "$0")/.." && exec ./scripts/with-node.sh node scripts/eph-admin.ts setup github "$@"
