import { createHash } from 'node:crypto';
import { lstat, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PreviewConfig } from '#core/preview-config';
import type { Manifest } from './checkout.ts';
import type { ComposeCall } from './compose.ts';
import { failWith } from './deploy-failure.ts';
import type { CommandResult } from './run-command.ts';

/**
 * Repositories often do not commit `.env`, but an example beside it that works. Where compose cannot continue without
 * the file, or takes variables as empty that the example sets, the example is used instead, as a file of the
 * checkout, since compose and containers read it by name. `env_file` in eph.yaml names another, or none (`false`).
 */
export interface EnvFiles {
  call: ComposeCall;
  /** The file that compose reads as the project's own `.env`: a copy that no container can write. */
  ownEnv: string;
  manifest: Manifest;
  warnings: string[];
}

/** Each round brings one file; a project with more of them than this has another problem. */
const MAX_STAND_INS = 20;

export async function readWithStandIns(
  root: string,
  start: EnvFiles,
  config: PreviewConfig,
  read: (call: ComposeCall) => Promise<CommandResult>,
): Promise<EnvFiles & { result: CommandResult }> {
  let files = start;
  for (let round = 0; ; round++) {
    const result = await read(files.call);
    const wanted = round < MAX_STAND_INS ? await wantedFile(root, files, config, result) : undefined;
    if (!wanted) return { ...files, result };
    files = await standIn(root, files, wanted, config);
  }
}

interface Wanted {
  /** Relative to the checkout. */
  path: string;
  example: string;
}

async function wantedFile(
  root: string,
  { call, manifest }: EnvFiles,
  config: PreviewConfig,
  result: CommandResult,
): Promise<Wanted | undefined> {
  const missing = /env file (.+?) not found/.exec(result.stderr)?.[1];
  if (result.code !== 0 && missing?.startsWith(`${root}/`)) {
    const path = missing.slice(root.length + 1);
    const example = exampleFor(path, manifest, config);
    if (example) return { path, example };
    const target = await brokenLink(root, path);
    if (target) failWith('env-file-missing', brokenLinkSentence(path, target));
    return undefined;
  }
  const own = join(call.folder, '.env');
  const path = own.slice(root.length + 1);
  if (config.env_file !== undefined || path in manifest) return undefined;
  const example = exampleFor(path, manifest, config);
  if (!example) return undefined;
  const has = await readFile(join(root, example), 'utf8');
  const helps = emptyVariables(result.stderr).some((name) =>
    new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=`, 'm').test(has),
  );
  return helps ? { path, example } : undefined;
}

/** The variables that compose took as empty, or that it requires. */
export function emptyVariables(stderr: string): string[] {
  const unset = stderr.matchAll(/The \\?"([A-Za-z0-9_]+)\\?" variable is not set/g);
  const required = stderr.matchAll(/required variable ([A-Za-z0-9_]+) is missing a value/g);
  return [...new Set([...unset, ...required].flatMap(([, name]) => name ?? []))];
}

/** The examples for `.env.production`: its own first, then the general one beside it. */
function exampleFor(path: string, manifest: Manifest, config: PreviewConfig): string | undefined {
  const name = basename(path);
  if (config.env_file === false) return undefined;
  if (config.env_file !== undefined) return name === '.env' ? config.env_file : undefined;
  const bare = name.replace(/^\./, '');
  const names = [
    ...['example', 'sample', 'dist', 'template'].flatMap((end) => [`${name}.${end}`, `${bare}.${end}`]),
    ...['example', 'sample'].flatMap((end) => [`${end}.${bare}`, `${name}-${end}`]),
    ...['.env.example', '.env.sample', '.env.dist', '.env.template', 'env.example', 'example.env'],
  ];
  return names.map((other) => join(dirname(path), other)).find((other) => other in manifest);
}

async function standIn(
  root: string,
  files: EnvFiles,
  { path, example }: Wanted,
  config: PreviewConfig,
): Promise<EnvFiles> {
  const body = await readFile(join(root, example));
  // A link that leads nowhere may be at the file's place.
  await rm(join(root, path), { force: true });
  await writeFile(join(root, path), body);
  const manifest = { ...files.manifest, [path]: `- ${createHash('sha256').update(body).digest('hex')}` };
  const own = join(files.call.folder, '.env');
  const chosen = config.env_file !== undefined;
  const addsOwn = !chosen && join(root, path) === own;
  if (addsOwn) await writeFile(files.ownEnv, body);
  const warning = `\`${path}\` is not in the repository: \`${example}\` stands in. \`env_file\` in eph.yaml names another file, or \`false\` for none.`;
  return {
    ...files,
    call: addsOwn ? { ...files.call, envFiles: [files.ownEnv, ...files.call.envFiles] } : files.call,
    manifest,
    warnings: chosen ? files.warnings : [...files.warnings, warning],
  };
}

/** The target of a symbolic link of the checkout, if nothing is there. */
export async function brokenLink(root: string, path: string): Promise<string | undefined> {
  const at = join(root, path);
  const found = await lstat(at).catch(() => undefined);
  if (!found?.isSymbolicLink()) return undefined;
  if (await stat(at).catch(() => undefined)) return undefined;
  return readlink(at);
}

export function brokenLinkSentence(path: string, target: string): string {
  return `\`${path}\` is a link to \`${target}\`, which is not in the repository at this commit.`;
}
