import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * How this machine reaches registries, as far as the images made here need it. Behind a company's proxy that signs
 * its traffic with its own certificate, or with an npm registry of its own, `RUN npm ci` would fail in an image that
 * knows neither. (dev/install-from-debian.sh passes apt's sources on.)
 */
export interface MachineSettings {
  /** Certificates of authorities that were added to this machine, as PEM; Debian's own may be among them. */
  readonly authorities: readonly string[];
  /** Undefined if containers could not reach it. */
  readonly npmRegistry: string | undefined;
}

/** The folders in which Debian's and Red Hat's relatives keep an administrator's certificates. */
const ADDED = ['/usr/local/share/ca-certificates', '/etc/pki/ca-trust/source/anchors'];

export async function readMachineSettings(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<MachineSettings> {
  // npm does not run in the checkout, whose .npmrc is for the checkout alone.
  const npm = await run('npm', ['config', 'get', 'registry', 'cafile'], { cwd: '/', env: environment }).catch(
    () => ({ stdout: '' }),
  );
  const setting = (name: string) => new RegExp(`^${name}=(.+)$`, 'm').exec(npm.stdout)?.[1];
  const added = await Promise.all(ADDED.map(filesIn));
  const files = [
    environment['NODE_EXTRA_CA_CERTS'],
    environment['SSL_CERT_FILE'],
    setting('cafile'),
    ...added.flat(),
  ];
  const texts = await Promise.all(files.map((file) => (file ? readFile(file, 'utf8').catch(() => '') : '')));
  return {
    authorities: [...new Set(texts.flatMap(certificatesIn))].sort(),
    npmRegistry: reachableFromContainers(setting('registry')),
  };
}

export function certificatesIn(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

function reachableFromContainers(registry: string | undefined): string | undefined {
  if (registry === undefined || !URL.canParse(registry)) return undefined;
  return /^(localhost|127\..*|\[::1\])$/.test(new URL(registry).hostname) ? undefined : registry;
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.map((name) => join(folder, name));
}
