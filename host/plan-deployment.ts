import { createHash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { HostFailure, Order } from '#core/mailbox';
import type { AgentDisk, Installed } from './agent-disk.ts';
import type { Manifest } from './checkout.ts';
import type { Compose, ComposeCall } from './compose.ts';
import { type ComposeProject, composeProjectSchema } from './compose-project.ts';
import { DeployFailure, failWith } from './deploy-failure.ts';
import { explainCommand } from './explain-failure.ts';
import { composeFileVariable, findComposeFiles, isComposeFile } from './find-compose-files.ts';
import { essentialServices } from './judge-containers.ts';
import { judgeReach, refuseForAll, refuseHostNetwork } from './judge-reach.ts';
import { machineReach, shown, valuesOf } from './machine-reach.ts';
import { outsideReads } from './outside-reads.ts';
import { overrideFile } from './override-file.ts';
import { planServices, proxyService } from './plan-services.ts';
import {
  envFile,
  injectedVariables,
  interpolatedVariables,
  provisionalAddresses,
} from './preview-variables.ts';
import { proxyConfig } from './proxy-config.ts';
import type { CommandResult } from './run-command.ts';
import { runnableProject } from './runnable-project.ts';

/**
 * From a checkout to everything `pull`, `build` and `up` need, written into the generation's own folder:
 * until `up`, nothing of what runs now is touched, and a reboot still finds the previous generation's files.
 *
 * The file is read twice. The addresses of services may be used in it (`${EPH_URL_API}`), but which services
 * are public is only known once it has been read: the first reading gets provisional ones.
 *
 * What compose reads besides the named files is looked at before it runs, what it printed afterwards; that, and
 * not the repository's files, is what `up` runs.
 */
export interface PlannedDeployment {
  /** For `pull` and `build`, which work on the fresh checkout. */
  call: ComposeCall;
  /** For `up`, which works on what is mounted. */
  installed: Installed;
  warnings: string[];
}

/** What the machine brings to a plan. */
export interface PlanningHost {
  proxyPort: number;
  /** Whether containers in the machine's own network are kept from its AWS role. */
  roleIsGuarded: boolean;
}

export function proxyConfigFile(disk: AgentDisk, generation: number): string {
  return join(disk.generationFolder(generation), 'caddy.json');
}

const proxyImage = 'caddy:2';
/** Of unset variables: a warning has 500 bytes. */
const NAMES_SHOWN = 8;

export async function planDeployment(
  order: Order,
  manifest: Manifest,
  disk: AgentDisk,
  compose: Compose,
  host: PlanningHost,
): Promise<PlannedDeployment> {
  const found = findComposeFiles(
    Object.keys(manifest),
    order.config.compose,
    await rootComposeFile(disk, manifest),
  );
  if (!found.ok) throw new DeployFailure(found.failure);
  const folder = disk.generationFolder(order.generation);
  const projectFolder = dirname(join(disk.source, found.files[0] ?? ''));
  const ownEnvText = await ownEnvFile(disk, manifest, dirname(found.files[0] ?? ''));
  const ownEnv = join(folder, 'repository.env');
  if (ownEnvText !== undefined) await disk.write(ownEnv, ownEnvText);
  const ephEnv = join(folder, 'eph.env');
  const call: ComposeCall = {
    folder: projectFolder,
    files: found.files.map((file) => join(disk.source, file)),
    envFiles: ownEnvText === undefined ? [ephEnv] : [ownEnv, ephEnv],
  };

  const texts = await composeTexts(disk.source, [
    ...found.files,
    ...Object.keys(manifest).filter(isComposeFile),
  ]);
  await disk.write(
    ephEnv,
    envFile({ ...provisionalAddresses(order, texts), ...interpolatedVariables(order, []) }),
  );
  const { reads, unread } = await outsideReads({
    ...call,
    root: disk.source,
    interpolate: (written, envFiles) => interpolate(written, { ...call, envFiles }, disk, folder, compose),
  });
  const readWarnings = judgeReach(reads, order.trusted);
  const first = await must(compose.config(call), disk, found.files);
  const project = parseProject(first.stdout);
  refuseForAll(JSON.parse(first.stdout), proxyImage);
  const plan = planServices({
    project,
    config: order.config,
    hostname: order.hostname,
    repository: order.repository.name,
  });
  if (!plan.ok) throw new DeployFailure(await withProfiles(plan.failure, call, compose));

  const override = join(folder, 'override.yaml');
  await disk.write(ephEnv, envFile(interpolatedVariables(order, plan.services)));
  await disk.write(
    override,
    overrideFile({
      project,
      services: plan.services,
      variables: injectedVariables(order, plan.services),
      mounted: mountedHashes(project, manifest, disk.source),
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
  const resolved: unknown = JSON.parse((await must(compose.config(full), disk, found.files)).stdout);
  const reach = [...unread, ...machineReach(withoutProxy(resolved), disk.source)];
  const reachWarnings = judgeReach(reach, order.trusted);
  if (!host.roleIsGuarded) refuseHostNetwork(reach);
  const inApp = (path: string) =>
    path === disk.source || path.startsWith(`${disk.source}/`)
      ? disk.app + path.slice(disk.source.length)
      : path;
  const runnable = join(folder, 'up.json');
  await disk.write(runnable, runnableProject(resolved, inApp));
  const publicNames = plan.services.map((service) => service.name);
  const installed: Installed = {
    generation: order.generation,
    sha: order.source.sha,
    hostname: order.hostname,
    call: { folder: inApp(full.folder), files: [runnable], envFiles: [...full.envFiles] },
    services: plan.services,
    essential: [...essentialServices(project, publicNames)],
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
    ...found.warnings,
    ...unsetVariables(first.stderr),
    ...readWarnings,
    ...reachWarnings,
    ...plan.warnings,
  ];
  await disk.write(proxyConfigFile(disk, order.generation), JSON.stringify(proxy));
  return { call: full, installed, warnings };
}

async function rootComposeFile(disk: AgentDisk, manifest: Manifest): Promise<string | undefined> {
  const text = await ownEnvFile(disk, manifest, '.');
  return text === undefined ? undefined : composeFileVariable(text);
}

/** The repository's `.env` in a folder. */
async function ownEnvFile(disk: AgentDisk, manifest: Manifest, folder: string): Promise<string | undefined> {
  const path = join(folder, '.env');
  if (!(path in manifest)) return undefined;
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
  // A variable that is required and missing: compose says so of the real files next.
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

/** Files that are included or extended are mostly called like this; none is so large that it matters. */
function composeTexts(root: string, files: readonly string[]): Promise<string[]> {
  return Promise.all([...new Set(files)].map((file) => readFile(join(root, file), 'utf8').catch(() => '')));
}

async function must(
  running: Promise<CommandResult>,
  disk: AgentDisk,
  files: readonly string[],
): Promise<CommandResult> {
  const result = await running;
  if (result.code === 0) return result;
  const command = { stage: 'planning', output: result.stderr, root: disk.source, files } as const;
  throw new DeployFailure(explainCommand(command));
}

async function withProfiles(failure: HostFailure, call: ComposeCall, compose: Compose): Promise<HostFailure> {
  if (failure.code !== 'nothing-to-start') return failure;
  const profiles = (await compose.profiles(call)).stdout.split('\n').filter((name) => name !== '');
  if (profiles.length === 0) return failure;
  return {
    ...failure,
    sentence: `${failure.sentence} Its profiles: ${profiles.map((name) => `\`${name}\``).join(', ')}.`,
  };
}

function parseProject(json: string): ComposeProject {
  return v.parse(composeProjectSchema, JSON.parse(json));
}

/** Compose fills an unset variable with nothing; the database that then refuses its empty password puzzles people. */
export function unsetVariables(stderr: string): string[] {
  const names = [...stderr.matchAll(/The \\?"([A-Za-z0-9_]+)\\?" variable is not set/g)].map(
    (match) => match[1],
  );
  const unique = [...new Set(names)].map((name) => `\`${name}\``);
  if (unique.length === 0) return [];
  const more = unique.length > NAMES_SHOWN ? ` and ${unique.length - NAMES_SHOWN} more` : '';
  const shown = unique.slice(0, NAMES_SHOWN).join(', ') + more;
  return [`Variables without a value, taken as empty: ${shown}. Set them under \`env\` in eph.yaml.`];
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
