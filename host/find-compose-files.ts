import { defaultComposeFiles } from '#core/default-compose-files';
import type { HostFailure } from '../lambdas/providers/ec2/mailbox.ts';

/**
 * The files that make the project, as docker compose would choose them. Because Eph adds an override file, it must
 * name them all.
 */
const defaultOverrideNames = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];

export type FoundFiles =
  /** No file at all: the root `Dockerfile` is the application (dockerfile-project.ts). */
  { ok: true; files: string[]; warnings: string[] } | { ok: false; failure: HostFailure };

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
  const found = defaultComposeFiles.filter((name) => existing.has(name));
  const [first, ...others] = found;
  if (!first) {
    const better = otherComposeFiles(paths);
    if (existing.has('Dockerfile')) return { ok: true, files: [], warnings: dockerfileWarnings(better) };
    return failed(
      `There is no compose file in the root of the repository (${defaultComposeFiles.join(', ')}).${elsewhere(paths)}`,
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
    // A path is shorter; the limit is there because the pattern reads the blanks of a line more than once.
    .filter((line) => line.length <= 1_000)
    .map((line) => /^\s*(?:export\s+)?COMPOSE_FILE\s*=\s*["']?([^"'#]*?)["']?\s*(?:#.*)?$/.exec(line)?.[1])
    .find((value) => value !== undefined);
  return found || undefined;
}

export function isComposeFile(path: string): boolean {
  return /(?:^|\/)(?:docker-)?compose[^/]*\.ya?ml$/.test(path);
}

/** Folders and names of files that run in tests, editors and examples, not in the application. */
const besideTheApplication =
  /(?:^|[/._-])(?:tests?|testing|e2e|spec|integration|__tests__|devcontainer|github|circleci|gitlab|ci|bench|benchmarks?|examples?|samples?|fixtures?|vendor|node_modules|third_party)(?:[/._-]|$)/i;

/** The compose files that a person looking for the application would open first. */
export function otherComposeFiles(paths: readonly string[], used: readonly string[] = []): string[] {
  const name = (path: string) => path.split('/').at(-1) ?? path;
  const others = paths.filter(
    (path) => isComposeFile(path) && !used.includes(path) && !/override\.ya?ml$/.test(path),
  );
  const rank = (path: string) => [
    besideTheApplication.test(path) ? 1 : 0,
    defaultComposeFiles.some((file) => file === name(path)) ? 0 : 1,
    path.split('/').length,
  ];
  return others.sort((a, b) => {
    const [ranks, otherRanks] = [rank(a), rank(b)];
    const differs = ranks.findIndex((value, index) => value !== otherRanks[index]);
    if (differs >= 0) return (ranks[differs] ?? 0) - (otherRanks[differs] ?? 0);
    return a < b ? -1 : 1;
  });
}

function elsewhere(paths: readonly string[]): string {
  const others = otherComposeFiles(paths).slice(0, 5);
  if (others.length === 0) return ' Add one: it says which containers a preview runs.';
  return ` Found ${others.map((path) => `\`${path}\``).join(', ')}: name what you need in eph.yaml, like \`compose: ${others[0]}\`.`;
}

function dockerfileWarnings(others: readonly string[]): string[] {
  const [first] = others.filter((path) => !besideTheApplication.test(path));
  if (!first) return [];
  return [
    `There is no compose file in the root of the repository: its \`Dockerfile\` runs alone, as the service \`app\`. If it needs what \`${first}\` starts, write \`compose: ${first}\` in eph.yaml.`,
  ];
}

function failed(sentence: string): FoundFiles {
  return { ok: false, failure: { code: 'no-compose-file', sentence, log: [] } };
}
