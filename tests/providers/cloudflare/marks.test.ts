import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseRecordComment,
  parseTunnelName,
  recordComment,
  tunnelName,
} from '../../../lambdas/providers/cloudflare/marks.ts';

const repositoryId = fc.integer({ min: 1, max: 2 ** 40 });
const number = fc.integer({ min: 1, max: 9_999_999 });
const deploymentId = fc.stringMatching(/^[a-z][a-z0-9-]{0,18}[a-z0-9]$/);

describe('a mark at Cloudflare', () => {
  it('is read back as the key of its row', () => {
    fc.assert(
      fc.property(deploymentId, repositoryId, number, fc.nat(1_000), (deployment, id, pull, count) => {
        const key = `${id}#${pull}`;
        expect(parseTunnelName(deployment, tunnelName(deployment, key, count))).toBe(key);
        expect(parseRecordComment(deployment, recordComment(deployment, key))).toBe(key);
        expect(recordComment(deployment, key).length).toBeLessThanOrEqual(100);
      }),
    );
  });

  it('of one Eph is never taken for that of another, also when one id begins with the other', () => {
    fc.assert(
      fc.property(deploymentId, deploymentId, repositoryId, number, (one, two, id, pull) => {
        fc.pre(one !== two);
        const key = `${id}#${pull}`;
        expect(parseTunnelName(one, tunnelName(two, key, 3))).toBeUndefined();
        expect(parseRecordComment(one, recordComment(two, key))).toBeUndefined();
      }),
    );
    expect(parseTunnelName('a2', tunnelName('a2-2', '7#7', 0))).toBeUndefined();
  });
});
