import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { HostFailure, Order } from '#core/mailbox';
import { splitReference } from '#core/preview-config';
import type { AgentDisk, Installed } from './agent-disk.ts';
import { imagesBuiltElsewhere } from './built-images.ts';
import type { Manifest } from './checkout.ts';
import type { Compose, ComposeCall } from './compose.ts';
import { type ComposeProject, composeProjectSchema } from './compose-project.ts';
import { firstFormatSentence, isFirstFormat, projectNames, unsetPublishedPorts } from './compose-text.ts';
import { DeployFailure, failWith } from './deploy-failure.ts';
import { dockerfilePort, dockerfileProject, dockerfileService } from './dockerfile-project.ts';
import { explainCommand } from './explain-failure.ts';
import {
  composeFileVariable,
  findComposeFiles,
  isComposeFile,
  otherComposeFiles,
} from './find-compose-files.ts';
import { howToSet } from './how-to-set.ts';
import { essentialServices } from './judge-containers.ts';
import { localhostUrls } from './localhost-urls.ts';
import { overrideFile } from './override-file.ts';
import { planServices } from './plan-services.ts';
import {
  envFile,
  injectedVariables,
  interpolatedVariables,
  provisionalAddresses,
  publicUrl,
} from './preview-variables.ts';
import { proxyConfig } from './proxy-config.ts';
import type { CommandResult } from './run-command.ts';
import { brokenLink, brokenLinkSentence, emptyVariables, readWithStandIns } from './stand-in-env-files.ts';
import { definitionsOf } from './unapplied-changes.ts';

/**
 * From a checkout to everything `pull`, `build` and `up` need, written into the generation's own folder:
 * until `up`, nothing of what runs now is touched, and a reboot still finds the previous generation's files.
 *
 * The file is read twice. The addresses of services may be used in it (`${EPH_URL_API}`), but which services
 * are public is only known once it has been read: the first reading gets provisional ones.
 */
export interface PlannedDeployment {
  /** For `pull` and `build`, which work on the fresh checkout. */
  call: ComposeCall;
  /** For `up`, which works on what is mounted. */
  installed: Installed;
  /** Services that are pulled, with their images. */
  images: Record<string, string>;
  /** The checkout's, with the env files that stand in. */
  manifest: Manifest;
  warnings: string[];
}

/** Where it is going to run. */
export interface Machine {
  /** On loopback; the tunnel ends there. */
  proxyPort: number;
  cpus: number;
}

export function proxyConfigFile(disk: AgentDisk, generation: number): string {
  return join(disk.generationFolder(generation), 'caddy.json');
}

const proxyImage = 'caddy:2';
/** Of unset variables: a warning has 500 bytes. */
const NAMES_SHOWN = 6;

export async function planDeployment(
  order: Order,
  checkedOut: Manifest,
  disk: AgentDisk,
  compose: Compose,
  machine: Machine,
): Promise<PlannedDeployment> {
  const found = findComposeFiles(
    Object.keys(checkedOut),
    order.config.compose,
    await rootComposeFile(disk, checkedOut),
  );
  if (!found.ok) throw new DeployFailure(found.failure);
  const [broken] = await brokenLinks(disk, found.files);
  if (broken) failWith('file-missing', broken);
  const folder = disk.generationFolder(order.generation);
  const files = found.files.map((file) => join(disk.source, file));
  if (files.length === 0) files.push(await writeDockerfileProject(order, disk, folder));
  const texts = await composeTexts(disk.source, [
    ...found.files,
    ...Object.keys(checkedOut).filter(isComposeFile),
  ]);
  const ephEnv = join(folder, 'eph.env');
  await disk.write(
    ephEnv,
    envFile({ ...provisionalAddresses(order, texts), ...interpolatedVariables(order, []) }),
  );
  const projectFolder = found.files[0] ? dirname(join(disk.source, found.files[0])) : disk.source;
  const own = await ownEnvFile(order, checkedOut, disk, projectFolder);
  const start = {
    call: { folder: projectFolder, files, envFiles: [...own.files, ephEnv] },
    manifest: checkedOut,
    warnings: [...found.warnings, ...own.warnings],
  };
  const first = await readWithStandIns(disk.source, start, order.config, compose.config);
  const { call, manifest } = first;
  succeeded(first.result, disk, found.files, texts);
  const config: unknown = JSON.parse(first.result.stdout);
  const project = v.parse(composeProjectSchema, config);
  const arch = order.config.arch ?? 'amd64';
  const plan = planServices({
    project,
    config: order.config,
    trusted: order.trusted,
    hostname: order.hostname,
    repository: order.repository.name,
    root: disk.source,
    machine: { arch, cpus: machine.cpus },
    unsetPorts: unsetPublishedPorts(texts, emptyVariables(first.result.stderr)),
  });
  if (!plan.ok) throw new DeployFailure(await withAdvice(plan.failure, call, compose, manifest, found.files));

  const override = join(folder, 'override.yaml');
  await disk.write(ephEnv, envFile(interpolatedVariables(order, plan.services)));
  await disk.write(
    override,
    overrideFile({
      project,
      services: plan.services,
      variables: injectedVariables(order, plan.services),
      mounted: mountedHashes(project, manifest, disk.source),
      projectNames: projectNames(texts, order.repository.name),
      machine: { arch, cpus: machine.cpus },
      proxy: {
        image: proxyImage,
        port: machine.proxyPort,
        configFolder: disk.proxy.config,
        runFolder: disk.proxy.run,
        logFolder: disk.proxy.log,
      },
    }),
  );
  const full = { ...call, files: [...call.files, override] };
  succeeded(await compose.config(full), disk, found.files, texts);
  const inApp = (path: string) =>
    path === disk.source || path.startsWith(`${disk.source}/`)
      ? disk.app + path.slice(disk.source.length)
      : path;
  const primary = plan.services.find((service) => service.primary);
  const installed: Installed = {
    generation: order.generation,
    sha: order.source.sha,
    hostname: order.hostname,
    url: publicUrl(order, order.hostname),
    call: {
      folder: inApp(full.folder),
      files: full.files.map(inApp),
      envFiles: full.envFiles.map(inApp),
    },
    services: plan.services,
    essential: [...essentialServices(project, primary?.name ?? '')],
    definitions: definitionsOf(config),
    healthCheck: order.config.health_check,
  };
  const scheme = new URL(order.urlTemplate.replace('{host}', order.hostname)).protocol.replace(':', '');
  const proxy = proxyConfig({
    services: plan.services,
    routes: plan.routes,
    hostname: order.hostname,
    scheme,
  });
  const warnings = [
    ...first.warnings,
    ...unsetVariables(first.result.stderr),
    ...plan.warnings,
    ...localhostUrls(project, plan.services),
    ...(await brokenLinks(disk, mountedPaths(project, disk.source))),
  ];
  await disk.write(proxyConfigFile(disk, order.generation), JSON.stringify(proxy));
  const builtElsewhere = imagesBuiltElsewhere(project, projectNames(texts, order.repository.name));
  const images = Object.fromEntries(
    Object.entries(project.services ?? {}).flatMap(([name, { image, build }]) =>
      image && !build && !builtElsewhere.has(name) ? [[name, image]] : [],
    ),
  );
  return { call: full, installed, images, manifest, warnings };
}

/** A root `Dockerfile` alone, as a compose file of ours. */
async function writeDockerfileProject(order: Order, disk: AgentDisk, folder: string): Promise<string> {
  const named = order.config.primary ? splitReference(order.config.primary).port : undefined;
  const port = named ?? dockerfilePort(await readFile(join(disk.source, 'Dockerfile'), 'utf8'));
  if (!port) {
    failWith(
      'nothing-public',
      `The \`Dockerfile\` does not say which port the application listens on. Add \`EXPOSE 3000\` with its number, or \`primary: ${dockerfileService}:3000\` in eph.yaml.`,
    );
  }
  const file = join(folder, 'dockerfile.yaml');
  await disk.write(file, dockerfileProject(port));
  return file;
}

/** The file that compose would read for itself, or the one that eph.yaml names in its place. */
async function ownEnvFile(
  order: Order,
  manifest: Manifest,
  disk: AgentDisk,
  projectFolder: string,
): Promise<{ files: string[]; warnings: string[] }> {
  const named = order.config.env_file;
  if (named) {
    const path = named.replace(/^(?:\.\/)+/, '');
    if (path in manifest) return { files: [join(disk.source, path)], warnings: [] };
    failWith(
      'eph-yaml',
      `eph.yaml: \`env_file\` names \`${named}\`, which is not in the repository at this commit.`,
    );
  }
  const file = join(projectFolder, '.env');
  const path = file.slice(disk.source.length + 1);
  if (!(path in manifest)) return { files: [], warnings: [] };
  // Compose leaves it out as well, without a word.
  const target = await brokenLink(disk.source, path);
  return target
    ? { files: [], warnings: [brokenLinkSentence(path, target)] }
    : { files: [file], warnings: [] };
}

async function brokenLinks(disk: AgentDisk, paths: readonly string[]): Promise<string[]> {
  const targets = await Promise.all(paths.map((path) => brokenLink(disk.source, path)));
  return paths.flatMap((path, index) => {
    const target = targets[index];
    return target === undefined ? [] : [brokenLinkSentence(path, target)];
  });
}

async function rootComposeFile(disk: AgentDisk, manifest: Manifest): Promise<string | undefined> {
  if (!('.env' in manifest)) return undefined;
  // A link of the repository may lead nowhere.
  return composeFileVariable(await readFile(join(disk.source, '.env'), 'utf8').catch(() => ''));
}

/** Files that are included or extended are mostly called like this; none is so large that it matters. */
function composeTexts(root: string, files: readonly string[]): Promise<string[]> {
  return Promise.all([...new Set(files)].map((file) => readFile(join(root, file), 'utf8').catch(() => '')));
}

function succeeded(
  result: CommandResult,
  disk: AgentDisk,
  files: readonly string[],
  texts: readonly string[],
): void {
  if (result.code === 0) return;
  const command = { stage: 'planning', output: result.stderr, root: disk.source, files } as const;
  const failure = explainCommand(command);
  if (failure.code !== 'variable-required' && texts.slice(0, files.length).some(isFirstFormat)) {
    failWith('compose-format-1', firstFormatSentence(files));
  }
  const empty = failure.code === 'variable-required' ? [] : unsetVariables(result.stderr);
  const sentence = empty.length > 0 ? failure.sentence.replace(/\.?$/, '.') : failure.sentence;
  throw new DeployFailure({ ...failure, sentence: [sentence, ...empty].join(' ') });
}

/** What to do about it that only the repository's other files tell. */
async function withAdvice(
  failure: HostFailure,
  call: ComposeCall,
  compose: Compose,
  manifest: Manifest,
  used: readonly string[],
): Promise<HostFailure> {
  if (failure.code === 'nothing-to-start') return withProfiles(failure, call, compose);
  if (failure.code !== 'only-companions') return failure;
  const better = otherComposeFiles(Object.keys(manifest), used).slice(0, 3);
  if (better.length > 0) {
    const names = better.map((path) => `\`${path}\``).join(', ');
    return {
      ...failure,
      sentence: `${failure.sentence} There ${better.length === 1 ? 'is' : 'are'} also ${names}: name what you need in eph.yaml, like \`compose: [${[...used, better[0]].join(', ')}]\`.`,
    };
  }
  if (!('Dockerfile' in manifest)) return failure;
  return {
    ...failure,
    sentence: `${failure.sentence} For the \`Dockerfile\` of the root that is \`app: { build: . }\` with its port.`,
  };
}

async function withProfiles(failure: HostFailure, call: ComposeCall, compose: Compose): Promise<HostFailure> {
  const profiles = (await compose.profiles(call)).stdout.split('\n').filter((name) => name !== '');
  if (profiles.length === 0) return failure;
  return {
    ...failure,
    sentence: `${failure.sentence} Its profiles: ${profiles.map((name) => `\`${name}\``).join(', ')}.`,
  };
}

/** Compose fills an unset variable with nothing; the database that then refuses its empty password puzzles people. */
export function unsetVariables(stderr: string): string[] {
  const names = emptyVariables(stderr);
  if (names.length === 0) return [];
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  const shown = names.slice(0, NAMES_SHOWN);
  const named = shown.map((name) => `\`${name}\``).join(', ');
  return [`Variables without a value, taken as empty: ${named}${more}. ${howToSet(shown)}`];
}

/** Repository paths of what is mounted into services from the checkout. */
function mountedPaths(project: ComposeProject, root: string): string[] {
  const sources = Object.values(project.services ?? {}).flatMap(({ volumes }) =>
    (volumes ?? []).flatMap(({ type, source }) => (type === 'bind' && source ? [source] : [])),
  );
  const inside = sources.filter((source) => source.startsWith(`${root}/`));
  return [...new Set(inside.map((source) => source.slice(root.length + 1)))];
}

/** Per service, a hash of the repository's files that are mounted into it. */
export function mountedHashes(
  project: ComposeProject,
  manifest: Manifest,
  root: string,
): Record<string, string> {
  const hashes: Record<string, string> = {};
  const paths = Object.keys(manifest).sort();
  const files = { ...project.secrets, ...project.configs };
  for (const [name, service] of Object.entries(project.services ?? {})) {
    const sources = [
      ...(service.volumes ?? []).flatMap((mount) =>
        mount.type === 'bind' && mount.source ? [mount.source] : [],
      ),
      ...[...(service.secrets ?? []), ...(service.configs ?? [])].flatMap(
        ({ source }) => files[source ?? '']?.file ?? [],
      ),
    ];
    const inside = sources
      .filter((source) => source === root || source.startsWith(`${root}/`))
      .map((source) => source.slice(root.length + 1).replace(/\/$/, ''));
    const mounted = paths.filter((path) =>
      inside.some((source) => source === '' || path === source || path.startsWith(`${source}/`)),
    );
    if (mounted.length === 0) continue;
    const hash = createHash('sha256');
    for (const path of mounted) hash.update(`${path}\0${manifest[path]}\0`);
    hashes[name] = hash.digest('hex').slice(0, 16);
  }
  return hashes;
}
