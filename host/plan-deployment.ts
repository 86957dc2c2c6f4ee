import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { HostFailure, Order } from '#core/mailbox';
import type { AgentDisk, Installed } from './agent-disk.ts';
import type { Manifest } from './checkout.ts';
import type { Compose, ComposeCall } from './compose.ts';
import { type ComposeProject, composeProjectSchema } from './compose-project.ts';
import { DeployFailure } from './deploy-failure.ts';
import { explainCommand } from './explain-failure.ts';
import { composeFileVariable, findComposeFiles, isComposeFile } from './find-compose-files.ts';
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
  warnings: string[];
}

export function proxyConfigFile(disk: AgentDisk, generation: number): string {
  return join(disk.generationFolder(generation), 'caddy.json');
}

const proxyImage = 'caddy:2';
/** Of unset variables: a warning has 500 bytes. */
const NAMES_SHOWN = 6;

export async function planDeployment(
  order: Order,
  manifest: Manifest,
  disk: AgentDisk,
  compose: Compose,
  proxyPort: number,
): Promise<PlannedDeployment> {
  const found = findComposeFiles(
    Object.keys(manifest),
    order.config.compose,
    await rootComposeFile(disk, manifest),
  );
  if (!found.ok) throw new DeployFailure(found.failure);
  const folder = disk.generationFolder(order.generation);
  const projectFolder = dirname(join(disk.source, found.files[0] ?? ''));
  const ownEnv = join(projectFolder, '.env');
  const hasOwnEnv = ownEnv.slice(disk.source.length + 1) in manifest;
  const ephEnv = join(folder, 'eph.env');
  const call: ComposeCall = {
    folder: projectFolder,
    files: found.files.map((file) => join(disk.source, file)),
    envFiles: hasOwnEnv ? [ownEnv, ephEnv] : [ephEnv],
  };

  const texts = await composeTexts(disk.source, [
    ...found.files,
    ...Object.keys(manifest).filter(isComposeFile),
  ]);
  await disk.write(
    ephEnv,
    envFile({ ...provisionalAddresses(order, texts), ...interpolatedVariables(order, []) }),
  );
  const first = await must(compose.config(call), disk, found.files);
  const config: unknown = JSON.parse(first.stdout);
  const project = v.parse(composeProjectSchema, config);
  const plan = planServices({
    project,
    config: order.config,
    trusted: order.trusted,
    hostname: order.hostname,
    repository: order.repository.name,
    root: disk.source,
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
        port: proxyPort,
        configFolder: disk.proxy.config,
        runFolder: disk.proxy.run,
        logFolder: disk.proxy.log,
      },
    }),
  );
  const full = { ...call, files: [...call.files, override] };
  await must(compose.config(full), disk, found.files);
  const inApp = (path: string) =>
    path === disk.source || path.startsWith(`${disk.source}/`)
      ? disk.app + path.slice(disk.source.length)
      : path;
  const publicNames = plan.services.map((service) => service.name);
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
    essential: [...essentialServices(project, publicNames)],
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
    ...found.warnings,
    ...unsetVariables(first.stderr),
    ...plan.warnings,
    ...localhostUrls(project, plan.services),
  ];
  await disk.write(proxyConfigFile(disk, order.generation), JSON.stringify(proxy));
  const images = Object.fromEntries(
    Object.entries(project.services ?? {}).flatMap(([name, { image, build }]) =>
      image && !build ? [[name, image]] : [],
    ),
  );
  return { call: full, installed, images, warnings };
}

async function rootComposeFile(disk: AgentDisk, manifest: Manifest): Promise<string | undefined> {
  if (!('.env' in manifest)) return undefined;
  return composeFileVariable(await readFile(join(disk.source, '.env'), 'utf8'));
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

/** Compose fills an unset variable with nothing; the database that then refuses its empty password puzzles people. */
export function unsetVariables(stderr: string): string[] {
  const names = [...stderr.matchAll(/The \\?"([A-Za-z0-9_]+)\\?" variable is not set/g)].map(
    (match) => match[1],
  );
  const unique = [...new Set(names)].filter((name) => name !== undefined);
  if (unique.length === 0) return [];
  const more = unique.length > NAMES_SHOWN ? ` and ${unique.length - NAMES_SHOWN} more` : '';
  const shown = unique.slice(0, NAMES_SHOWN);
  const named = shown.map((name) => `\`${name}\``).join(', ');
  return [`Variables without a value, taken as empty: ${named}${more}. ${howToSet(shown)}`];
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
