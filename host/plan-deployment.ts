import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { splitReference } from '#core/preview-config';
import type { HostFailure, MailboxSpec } from '../lambdas/providers/ec2/mailbox.ts';
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
import { judgeReach, refuseForAll, refuseHostNetwork } from './judge-reach.ts';
import { localhostUrls } from './localhost-urls.ts';
import { machineReach, type Reach, shown, valuesOf } from './machine-reach.ts';
import { outsideReads } from './outside-reads.ts';
import { overrideFile } from './override-file.ts';
import { planServices, proxyService } from './plan-services.ts';
import {
  envFile,
  injectedVariables,
  interpolatedVariables,
  provisionalAddresses,
  publicUrl,
} from './preview-variables.ts';
import { proxyConfig } from './proxy-config.ts';
import type { CommandResult } from './run-command.ts';
import { runnableProject } from './runnable-project.ts';
import { brokenLink, brokenLinkSentence, emptyVariables, readWithStandIns } from './stand-in-env-files.ts';
import { definitionsOf } from './unapplied-changes.ts';

/**
 * Makes, from a checkout, everything that `pull`, `build` and `up` need, and writes it into the generation's own
 * folder: until `up`, nothing of what runs now is touched, and a reboot still finds the previous generation's files.
 *
 * The file is read twice. The addresses of services may be used in it (`${EPH_URL_API}`), but which services
 * are public is only known once it has been read: the first reading gets provisional ones.
 *
 * The files that compose reads besides the named ones are checked before it runs, and its output is checked
 * afterwards; `up` runs that output, and not the repository's files.
 */
export interface PlannedDeployment {
  /** For `pull` and `build`, which work on the fresh checkout. */
  call: ComposeCall;
  /** For `up`, which works on what is mounted. */
  installed: Installed;
  /** Services that are pulled, with their images. */
  images: Record<string, string>;
  /** The manifest of the checkout, with the env files that stand in. */
  manifest: Manifest;
  warnings: string[];
  /** The reasons why services were left out, a sentence each; see obtain-images.ts. */
  leftOut: readonly string[];
}

/** What the plan needs to know of the machine. */
export interface PlanningHost {
  /** The proxy's port on loopback, to which the tunnel leads. */
  proxyPort: number;
  /** Whether a packet rule keeps containers in the machine's own network from its AWS role. */
  roleIsGuarded: boolean;
  /** The number of CPUs, if it is not that of the machine that plans. */
  cpus?: number;
}

export function proxyConfigFile(disk: AgentDisk, generation: number): string {
  return join(disk.generationFolder(generation), 'caddy.json');
}

const proxyImage = 'caddy:2';
/** The most names of unset variables in one warning, which has 500 bytes. */
const NAMES_SHOWN = 6;

export async function planDeployment(
  spec: MailboxSpec,
  checkedOut: Manifest,
  disk: AgentDisk,
  compose: Compose,
  host: PlanningHost,
): Promise<PlannedDeployment> {
  const found = findComposeFiles(
    Object.keys(checkedOut),
    spec.config.compose,
    await rootComposeFile(disk, checkedOut),
  );
  if (!found.ok) throw new DeployFailure(found.failure);
  const [broken] = await brokenLinks(disk, found.files);
  if (broken) failWith('file-missing', broken);
  const folder = disk.generationFolder(spec.generation);
  const files = found.files.map((file) => join(disk.source, file));
  if (files.length === 0) files.push(await writeDockerfileProject(spec, disk, folder));
  const texts = await composeTexts(disk.source, [
    ...found.files,
    ...Object.keys(checkedOut).filter(isComposeFile),
  ]);
  const ephEnv = join(folder, 'eph.env');
  await disk.write(
    ephEnv,
    envFile({ ...provisionalAddresses(spec, texts), ...interpolatedVariables(spec, []) }),
  );
  const projectFolder = found.files[0] ? dirname(join(disk.source, found.files[0])) : disk.source;
  const own = ownEnvFile(spec, checkedOut, dirname(found.files[0] ?? ''));
  const ownEnv = join(folder, 'repository.env');
  if (own !== undefined) await disk.write(ownEnv, await readEnvFile(disk, own));
  const start = {
    call: { folder: projectFolder, files, envFiles: own === undefined ? [ephEnv] : [ownEnv, ephEnv] },
    ownEnv,
    manifest: checkedOut,
    warnings: found.warnings,
  };
  let unread: Reach[] = [];
  let readWarnings: string[] = [];
  // This is done before each reading: a file that stands in may give a path its variables.
  const first = await readWithStandIns(disk.source, start, spec.config, async (call) => {
    const looked = await outsideReads({
      ...call,
      root: disk.source,
      interpolate: (written, envFiles) => interpolate(written, { ...call, envFiles }, disk, folder, compose),
    });
    unread = looked.unread;
    readWarnings = judgeReach(looked.reads, spec.trusted);
    return compose.config(call);
  });
  const { call, manifest } = first;
  succeeded(first.result, disk, found.files, texts);
  const config: unknown = JSON.parse(first.result.stdout);
  const project = v.parse(composeProjectSchema, config);
  refuseForAll(config, proxyImage);
  const arch = spec.config.arch ?? 'amd64';
  const cpus = host.cpus ?? availableParallelism();
  const plan = planServices({
    project,
    config: spec.config,
    hostname: spec.hostname,
    repository: spec.repository.name,
    root: disk.source,
    machine: { arch, cpus },
    unsetPorts: unsetPublishedPorts(texts, emptyVariables(first.result.stderr)),
  });
  if (!plan.ok) throw new DeployFailure(await withAdvice(plan.failure, call, compose, manifest, found.files));

  const override = join(folder, 'override.yaml');
  await disk.write(ephEnv, envFile(interpolatedVariables(spec, plan.services)));
  await disk.write(
    override,
    overrideFile({
      project,
      services: plan.services,
      variables: injectedVariables(spec, plan.services),
      mounted: mountedHashes(project, manifest, disk.source),
      projectNames: projectNames(texts, spec.repository.name),
      machine: { arch, cpus },
      proxy: {
        image: proxyImage,
        port: host.proxyPort,
        configFolder: disk.proxy.config,
        runFolder: disk.proxy.run,
        logFolder: disk.proxy.log,
      },
    }),
  );
  const full = { ...call, files: [...call.files, override] };
  const checked = await compose.config(full);
  succeeded(checked, disk, found.files, texts);
  const resolved: unknown = JSON.parse(checked.stdout);
  const reach = [...unread, ...machineReach(withoutProxy(resolved), disk.source)];
  const reachWarnings = judgeReach(reach, spec.trusted);
  if (!host.roleIsGuarded) refuseHostNetwork(reach);
  const inApp = (path: string) =>
    path === disk.source || path.startsWith(`${disk.source}/`)
      ? disk.app + path.slice(disk.source.length)
      : path;
  const runnable = join(folder, 'up.json');
  await disk.write(runnable, runnableProject(resolved, inApp));
  const primary = plan.services.find((service) => service.primary);
  const installed: Installed = {
    generation: spec.generation,
    sha: spec.source.sha,
    hostname: spec.hostname,
    url: publicUrl(spec, spec.hostname),
    call: { folder: inApp(full.folder), files: [runnable], envFiles: [...full.envFiles] },
    services: plan.services,
    essential: [...essentialServices(project, primary?.name ?? '')],
    definitions: definitionsOf(config),
    healthCheck: spec.config.health_check,
  };
  const scheme = new URL(spec.urlTemplate.replace('{host}', spec.hostname)).protocol.replace(':', '');
  const proxy = proxyConfig({
    services: plan.services,
    routes: plan.routes,
    hostname: spec.hostname,
    scheme,
  });
  const warnings = [
    ...first.warnings,
    ...unsetVariables(first.result.stderr),
    ...readWarnings,
    ...reachWarnings,
    ...plan.warnings,
    ...localhostUrls(project, plan.services),
    ...(await brokenLinks(disk, mountedPaths(project, disk.source))),
  ];
  await disk.write(proxyConfigFile(disk, spec.generation), JSON.stringify(proxy));
  const builtElsewhere = imagesBuiltElsewhere(project, projectNames(texts, spec.repository.name));
  const images = Object.fromEntries(
    Object.entries(project.services ?? {}).flatMap(([name, { image, build }]) =>
      image && !build && !builtElsewhere.has(name) ? [[name, image]] : [],
    ),
  );
  return { call: full, installed, images, manifest, warnings, leftOut: [] };
}

/** A root `Dockerfile` alone, as a compose file of ours. */
async function writeDockerfileProject(spec: MailboxSpec, disk: AgentDisk, folder: string): Promise<string> {
  const named = spec.config.primary ? splitReference(spec.config.primary).port : undefined;
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

/** The env file that compose would read by itself, or the one that eph.yaml names instead: relative to the checkout. */
function ownEnvFile(spec: MailboxSpec, manifest: Manifest, folder: string): string | undefined {
  const named = spec.config.env_file;
  if (!named) {
    const path = join(folder, '.env');
    return path in manifest ? path : undefined;
  }
  const path = named.replace(/^(?:\.\/)+/, '');
  if (path in manifest) return path;
  return failWith(
    'eph-yaml',
    `eph.yaml: \`env_file\` names \`${named}\`, which is not in the repository at this commit.`,
  );
}

async function readEnvFile(disk: AgentDisk, path: string): Promise<string> {
  const file = join(disk.source, path);
  try {
    return await readFile(file, 'utf8');
  } catch {
    const target = await readlink(file).catch(() => undefined);
    return failWith(
      'env-file-missing',
      target === undefined
        ? `\`${path}\` cannot be read as a file.`
        : `\`${path}\` is a link to \`${shown(target)}\`, which is not a file in the repository. Commit that file, or a \`${path}\` of its own for previews.`,
    );
  }
}

/** Fills in the variables of some texts as compose does, by asking it. */
async function interpolate(
  texts: readonly string[],
  call: ComposeCall,
  disk: AgentDisk,
  folder: string,
  compose: Compose,
): Promise<string[]> {
  const file = join(folder, 'paths.json');
  const environment = Object.fromEntries(texts.map((text, index) => [`TEXT_${index}`, text]));
  await disk.write(file, JSON.stringify({ services: { paths: { image: 'none', environment } } }));
  const result = await compose.config({ ...call, files: [file] });
  // If a required variable is missing, compose says so of the real files next.
  if (result.code !== 0) return [...texts];
  const { services } = valuesOf(JSON.parse(result.stdout));
  const filled = valuesOf(valuesOf(valuesOf(services)['paths'])['environment']);
  return texts.map((text, index) => String(filled[`TEXT_${index}`] ?? text).replaceAll('$$', '$'));
}

function withoutProxy(project: unknown): unknown {
  const { services, ...rest } = valuesOf(project);
  const { [proxyService]: _, ...own } = valuesOf(services);
  return { ...rest, services: own };
}

/** Files that are included or extended mostly have such names; none is so large that it matters. */
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

/** Adds advice that only the repository's other files can give. */
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

/**
 * Compose replaces an unset variable by nothing. A database then refuses its empty password, and people do not know
 * why.
 */
export function unsetVariables(stderr: string): string[] {
  const names = emptyVariables(stderr);
  if (names.length === 0) return [];
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  const shown = names.slice(0, NAMES_SHOWN);
  const named = shown.map((name) => `\`${name}\``).join(', ');
  return [`Variables without a value, taken as empty: ${named}${more}. ${howToSet(shown)}`];
}

/** Repository paths of the files that are mounted into services from the checkout. */
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
