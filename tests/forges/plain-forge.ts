import type { PullRequest } from '#core/environment';
import { EphError } from '#core/failure';
import type { Summary } from '#core/summary';
import type { Forge } from '../../lambdas/providers/forge.ts';
import type { Handle } from '../../lambdas/providers/handle.ts';
import { reading, type Wire, writing } from '../fakes/wire.ts';

/**
 * The smallest possible forge: changes with a number, files, and one board where anybody may pin one note for each
 * change. Nothing is installed, nothing has a status, and its ids are numbers that other forges use too.
 */
export interface PlainForge {
  /** By `<repository> <number>`, the forge's own id. */
  changes: Map<string, PullRequest>;
  /** The files of each commit, path -> text. */
  files: Map<string, Record<string, string>>;
  /** The notes that were pinned, in their order, by the same id. */
  notes: Map<string, string[]>;
  /** The access that opened its repositories and is lost. */
  lost?: string;
  /** Changes of the repository that have to pin theirs again because of the next note. */
  retell?: number[];
  connect(wire: Wire): Forge<Summary>;
}

export function plainForge(): PlainForge {
  const changes: PlainForge['changes'] = new Map();
  const files: PlainForge['files'] = new Map();
  const notes: PlainForge['notes'] = new Map();
  const filesOf = (sha: string) => {
    const found = files.get(sha);
    if (!found) throw new EphError('transient', 'not_there_yet', 'The commit is not there yet.');
    return found;
  };

  function connect(wire: Wire): Forge<Summary> {
    const calls = {
      change: (key: string) => wire(reading('plain change', key), () => changes.get(key)),
      files: (sha: string) => wire(reading('plain files', sha), () => filesOf(sha)),
      pin: (key: string, note: string) =>
        wire(writing('plain pin', key), () => {
          notes.set(key, [...(notes.get(key) ?? []), note]);
        }),
    };
    const forge: Forge<Summary> = {
      within: () => forge,
      async read({ repositoryId, number }) {
        const pull = await calls.change(`${repositoryId} ${number}`);
        if (plain.lost !== undefined) return { kind: 'no-access', lostAccess: plain.lost };
        return pull ? { kind: 'known', pull, access: '' } : { kind: 'no-pull' };
      },
      root: async (_ref, sha) => Object.keys(await calls.files(sha)),
      file: async (_ref, sha, path) => (await calls.files(sha))[path],
      source: async (_ref, sha) => ({ kind: 'archive', sha, url: `https://plain.test/${sha}` }),
      isShown: (summary, told) => told?.data === noteOf(summary, told),
      forgetShown: (told) => ({ ...told, data: '' }),
      async show({ repositoryId }, summary, told) {
        // Without it, the run after one that pinned the first note and died would think that nothing was reported.
        if (!told) return { handle: toHandle(''), saveFirst: true, done: false, note: '' };
        const note = noteOf(summary, told);
        await calls.pin(`${repositoryId} ${summary.number}`, note ?? '');
        const { retell = [] } = plain;
        plain.retell = [];
        return { handle: toHandle(note), done: true, note: 'pinned', retell };
      },
      isChecked: () => true,
      check: async (_ref, _summary, told) => told,
      passQueue: async () => undefined,
      missed: async () => 0,
    };
    return forge;
  }
  const plain: PlainForge = { changes, files, notes, connect };
  return plain;
}

function toHandle(data: string | undefined): Handle {
  return { kind: 'plain', v: 1, data };
}

/** Undefined where nothing is to be reported. */
function noteOf(summary: Summary, told: Handle | undefined): string | undefined {
  if (summary.quiet && !told) return undefined;
  const { title, sentence, commit, links } = summary;
  const services = links?.services.map(({ hostUrl }) => hostUrl) ?? [];
  return [`${title} (${commit.slice(0, 7)}) ${links?.main ?? ''}`.trim(), sentence, ...services].join('\n');
}
