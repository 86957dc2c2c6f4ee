import { describe, expect, it } from 'vitest';
import { formatKey } from '#core/environment-key';
import { summarize } from '#core/summary';
import { markOf } from '../../../lambdas/providers/github/show-on-github.ts';
import type { Handle } from '../../../lambdas/providers/handle.ts';
import { createTestPlatform } from '../../fakes/create-test-platform.ts';
import { readyState } from '../../fakes/sample-state.ts';

const LONG = formatKey({ kind: 'branch', repositoryId: 7, branch: `feature/${'a'.repeat(247)}` });
const ref = { repositoryId: 7, access: '9', owner: 'acme', name: 'shop' };

function summaryOf(environment: string, number?: number) {
  const context = { environment, number, urlTemplate: 'https://{host}', reachable: true, required: false };
  const summary = summarize(readyState(), context);
  if (!summary) throw new Error('there is nothing to say');
  return summary;
}

describe('GitHub', () => {
  it('refuses environments of branches, and is not called for one', async () => {
    const { ports, calls } = createTestPlatform();
    const forge = ports.forges.get(undefined);
    if (!forge) throw new Error('there is no GitHub');
    const told: Handle = { kind: 'github', v: 1, data: {} };
    const refused = { kind: 'permanent', code: 'no_pull_request' };
    const question = { repositoryId: 7, confirmed: undefined, said: ref, freshly: false };
    await expect(forge.read(question)).rejects.toMatchObject(refused);
    const showing = { justSaved: false, lastTry: false };
    await expect(forge.show(ref, summaryOf(LONG), told, showing)).rejects.toMatchObject(refused);
    await expect(forge.check(ref, summaryOf(LONG), told)).rejects.toMatchObject(refused);
    expect(calls).toEqual([]);
  });

  it('keeps a mark for each environment in a deployment’s description of 140 characters', () => {
    const marks = [LONG, `${LONG}b`, '7#1', '7#1/arm'].map((key) =>
      markOf({ deploymentId: 'a-deployment-16c', summary: { ...summaryOf(key), number: 1 } }),
    );
    expect(Math.max(...marks.map((mark) => mark.length))).toBeLessThanOrEqual(140);
    expect(new Set(marks).size).toBe(marks.length);
    expect(marks).toContain('eph:a-deployment-16c:7#1');
  });
});
