import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

/** One project per kind of test. `docker` and `e2e` need an engine and run in `make test` only. */
export default defineConfig({
  test: {
    // By default one core stays idle, which on a machine of two doubles the time.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'node',
          isolate: false,
          include: ['tests/{core,lambdas,host,local,infra,contracts,scripts}/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: './worker/wrangler.jsonc' } })],
        test: { name: 'worker', include: ['tests/worker/**/*.test.ts'] },
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
