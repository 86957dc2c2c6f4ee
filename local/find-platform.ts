import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What `platform.json` says of a running platform, as far as other commands read it. */
export interface RunningPlatform {
  github: string;
  githubApi: string;
  control: string;
  repository: string;
  wireLog: string | null;
  tokens: { admin: string; writer: string };
  access: {
    login: { email: string; code: string };
    serviceToken: { id: string; secret: string };
  };
}

/** The platform that runs with this folder; one that was killed leaves its file, but does not answer. */
export async function findPlatform(dir: string): Promise<RunningPlatform | undefined> {
  const text = await readFile(platformFile(dir), 'utf8').catch(() => undefined);
  if (!text) return undefined;
  const found: RunningPlatform = JSON.parse(text);
  const answers = await fetch(`${found.control}/inventory`).then(
    ({ ok }) => ok,
    () => false,
  );
  return answers ? found : undefined;
}

/** Where a running platform says its addresses; see `announce-platform.ts`. */
export function platformFile(dir: string): string {
  return join(dir, 'platform.json');
}
