import { expect, it } from 'vitest';
import { plainer } from '../../../lambdas/providers/github/plainer.ts';

it('a text that was refused is sent again in plain letters, with its lines, and short', () => {
  expect(plainer('### 🟢 Überall\n`web` läuft\u0000…', 100)).toBe('###  Uberall\n`web` lauft...');
  expect(plainer('x'.repeat(200), 100)).toBe(`${'x'.repeat(97)}...`);
});
