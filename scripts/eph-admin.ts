#!/usr/bin/env node
import { runAdmin } from './program/run-admin.ts';

/** The operator's program: `scripts/commands.ts` has its commands. The targets of make are one line each over it. */
await runAdmin(process.argv.slice(2), process.env);
