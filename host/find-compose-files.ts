import type { HostFailure } from '#core/mailbox';

/**
 * Which files make the project, as docker compose would choose them (compose-go `DefaultFileNames`; the
 * order was measured with compose 2.26.1), because an override of ours forces us to name them all.
 */
const defaultFileNames = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const defaultOverrideNames = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];

export type FoundFiles =
  | { ok: true; files: string[]; warnings: string[] }
  | { ok: false; failure: HostFailure };

/**
 * `paths` are the files of the repository; `wanted` comes from eph.yaml, or from `COMPOSE_FILE` in the
 * repository's `.env`, which docker compose honours too.
 */
export function findComposeFiles(
  paths: readonly string[],
  wanted: readonly string[] | undefined,
  composeFileVariable: string | undefined,
): FoundFiles {
  const existing = new Set(paths);
  const named = wanted ?? composeFileVariable?.split(':').filter((file) => file !== '');
  if (named && named.length > 0) {
    const files = named.map((file) => file.replace(/^(?:\.\/)+/, ''));
    const missing = files.find((file) => !existing.has(file));
    if (!missing) return { ok: true, files, warnings: [] };
    const source = wanted ? '`compose` in eph.yaml' : '`COMPOSE_FILE` in .env';
    return failed(
      `${source} names \`${missing}\`, which is not in the repository at this commit.${elsewhere(paths)}`,
    );
  }
  const found = defaultFileNames.filter((name) => existing.has(name));
  const [first, ...others] = found;
  if (!first) {
    return failed(
      `There is no compose file in the root of the repository (${defaultFileNames.join(', ')}).${elsewhere(paths)}`,
    );
  }
  const override = defaultOverrideNames.find((name) => existing.has(name));
  const warnings =
    others.length > 0
      ? [
          `Several compose files: \`${first}\` is used, ${others.map((name) => `\`${name}\``).join(', ')} is not.`,
        ]
      : [];
  return { ok: true, files: override ? [first, override] : [first], warnings };
}

/** The value of `COMPOSE_FILE` in an env file, if it has one. */
export function composeFileVariable(envText: string): string | undefined {
  const found = envText
    .split(/\r?\n/)
    // A path is shorter; the pattern goes over a line's blanks more than once.
    .filter((line) => line.length <= 1_000)
    .map((line) => /^\s*(?:export\s+)?COMPOSE_FILE\s*=\s*["']?([^"'#]*?)["']?\s*(?:#.*)?$/.exec(line)?.[1])
    .find((value) => value !== undefined);
  return found || undefined;
}

export function isComposeFile(path: string): boolean {
  return /(?:^|\/)(?:docker-)?compose[^/]*\.ya?ml$/.test(path);
}

function elsewhere(paths: readonly string[]): string {
  const others = paths.filter(isComposeFile).slice(0, 5);
  if (others.length === 0) return ' Add one: it says which containers a preview runs.';
  return ` Found ${others.map((path) => `\`${path}\``).join(', ')}: name what you need in eph.yaml, like \`compose: ${others[0]}\`.`;
}

function failed(sentence: string): FoundFiles {
  return { ok: false, failure: { code: 'no-compose-file', sentence, log: [] } };
}
