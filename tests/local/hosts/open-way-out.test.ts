import { afterEach, expect, it, vi } from 'vitest';
import { openWayOut } from '../../../local/hosts/open-way-out.ts';

afterEach(() => vi.unstubAllEnvs());

it('says in a sentence why the machines cannot reach the internet, and continues', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  expect(await openWayOut('eph-000000', '10.99.0.1')).toBe(
    'The local machines have no way out to the internet, because this one forwards nothing for them: spawn iptables-restore ENOENT. What an image build downloads will fail.',
  );
});
