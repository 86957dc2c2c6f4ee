#!/usr/bin/env node
import { runAdmin } from './program/run-admin.ts';

/** The operator's program: `scripts/commands.ts` has its commands. Each target of make is one line that calls it. */
await runAdmin(process.argv.slice(2), process.env);
