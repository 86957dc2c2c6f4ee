#!/bin/sh
# Sets up the Cloudflare tokens: one that deploys, made by you on a prefilled page, and a narrower one for the
# functions. Finds zone, account and team; running it twice is harmless.
cd "$(dirname -- "$0")/.." && exec ./scripts/with-node.sh node scripts/eph-admin.ts setup cloudflare "$@"
