#!/bin/sh
# Sets up the identity that deploys: an existing profile or SSO session, or a role of its own with the least rights.
# Asks for nothing that .env already contains; running it twice is harmless.
cd "$(dirname -- "$0")/.." && exec ./scripts/with-node.sh node scripts/eph-admin.ts setup aws "$@"
