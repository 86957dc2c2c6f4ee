import { describe, expect, it } from 'vitest';
import { summarize } from '#core/summary';
import type { Handle } from '../../../lambdas/providers/handle.ts';
import { createTestPlatform } from '../../fakes/create-test-platform.ts';
import { readyState } from '../../fakes/sample-state.ts';

const ref = { repositoryId: 7, access: '9', owner: 'acme', name: 'shop' };

describe('the check of what people see', () => {
  it('makes no call where nothing was reported', async () => {
    const forge = createTestPlatform().ports.forges.get(undefined);
    const urls = { urlTemplate: 'https://{host}', reachable: true, required: false };
    const summary = summarize(readyState(), { environment: '7#1', number: 1, ...urls });
    if (!forge || !summary) throw new Error('there is nothing to say');
    const told: Handle = { kind: 'github', v: 1, data: {} };
    // GitHub has no such repository, and a call would fail.
    const checked = await forge.check(ref, summary, told);
    expect(checked.data).toEqual({ checked: true });
    expect(forge.isChecked(checked)).toBe(true);
  });
});
