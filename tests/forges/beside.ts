import type { PullRequest } from '#core/environment';
import type { TestWorld } from '../fakes/create-world.ts';
import { samplePull } from '../fakes/sample-state.ts';
import type { PlainForge } from './plain-forge.ts';

/** What somebody does to the first change of a repository on the plain forge, and what is pinned to it last. */
export function beside(world: TestWorld, forge: PlainForge, repositoryId: number) {
  const repository = { id: repositoryId, owner: 'acme', name: 'shop' };
  const own = `${repositoryId} 1`;
  return {
    change(changes: Partial<Pick<PullRequest, 'sha' | 'state'>>, action: string): void {
      const pull = { ...samplePull, ...forge.changes.get(own), ...changes };
      forge.changes.set(own, pull);
      forge.files.set(pull.sha, { 'compose.yaml': '' });
      const job = {
        v: 1,
        kind: 'pull_request',
        forge: 'plain',
        delivery: action,
        action,
        repository,
        number: 1,
      };
      world.queue.push(JSON.stringify(job));
    },
    lastNote: () => forge.notes.get(own)?.at(-1) ?? '',
  };
}
