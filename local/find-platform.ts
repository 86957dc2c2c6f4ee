import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The parts of a running platform's `platform.json` that other commands read. */
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

/** The platform that runs with this folder; a killed one leaves its file, but does not answer. */
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

/** The file in which a running platform writes its addresses; see `announce-platform.ts`. */
export function platformFile(dir: string): string {
  return join(dir, 'platform.json');
}
