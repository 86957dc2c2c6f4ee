import { availableParallelism } from 'node:os';
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

/**
 * Whole accounts deployed to, vendors' own programs run, every crash of every story, and stand-ins or commands tried as
 * processes of their own: they are not in `make check`.
 */
const walks = 'tests/**/*.walk.test.ts';

/** One project per kind of test. `docker` and `e2e` need an engine and run in `make test` only. */
export default defineConfig({
  test: {
    // Half of the tests' time is waiting for a process or a timer; by default one core even stays idle.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    projects: [
      {
        test: {
          name: 'node',
          isolate: false,
          include: [
            'tests/{attack,core,forges,lambdas,host,local,infra,contracts,documents,packer,dev,providers,scripts,seam,sim,workflows}/**/*.test.ts',
          ],
          exclude: [walks],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'walk',
          isolate: false,
          include: [walks],
          // Told where the vendors' folders are deleted (`without-vendors.walk.test.ts`), and not once more here.
          exclude: ['tests/seam/neutral-crash.walk.test.ts'],
          testTimeout: 90_000,
          hookTimeout: 120_000,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: './worker/wrangler.jsonc' } })],
        // A runtime for several files: to start one costs more than what is tried in it.
        test: { name: 'worker', isolate: false, include: ['tests/worker/**/*.test.ts'] },
      },
      {
        test: {
          name: 'docker',
          include: ['tests/docker/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      // After e2e, over what it left on the wire.
      { test: { name: 'wire', include: ['tests/wire/**/*.test.ts'] } },
      {
        test: {
          name: 'e2e',
          // Each test goes on from where the one before ended.
          bail: 1,
          include: ['tests/e2e/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
