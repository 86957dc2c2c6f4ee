import type { PullRequest } from '#core/environment';
import type { ControlPlane } from '../fakes/create-control-plane.ts';
import { samplePull } from '../fakes/sample-pull.ts';
import type { PlainForge } from './plain-forge.ts';

/** The actions on a change of a repository on the plain forge, and the note that is pinned to it last. */
export function beside(
  { queue }: Pick<ControlPlane, 'queue'>,
  forge: PlainForge,
  repositoryId: number,
  number = 1,
) {
  const repository = { id: repositoryId, owner: 'acme', name: 'shop' };
  const own = `${repositoryId} ${number}`;
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
        number,
      };
      queue.push(JSON.stringify(job));
    },
    lastNote: () => forge.notes.get(own)?.at(-1) ?? '',
  };
}
