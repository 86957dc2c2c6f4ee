import { parse } from 'yaml';
import type { UnsetPorts } from './public-ports.ts';

/**
 * What the text of a compose file tells and `docker compose config` does not: the name of the project, which ports
 * were variables, and that a file is in a format that compose no longer reads. The text is only searched; it is never
 * trusted to mean what compose would make of it.
 */
function read(text: string): Record<string, unknown> {
  try {
    const value: unknown = parse(text, { merge: true, logLevel: 'silent' });
    return isMap(value) ? value : {};
  } catch {
    return {};
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How others may name the images of this project: after `name:`, or after the repository's folder. */
export function projectNames(texts: readonly string[], repository: string): string[] {
  const names = texts.map((text) => read(text)['name']).filter((name) => typeof name === 'string');
  // https://docs.docker.com/reference/compose-file/version-and-name/: lower case, letters, digits, `-`, `_`.
  return [...new Set([...names, repository.toLowerCase().replace(/[^a-z0-9_-]/g, '')])];
}

/** `"${HTTP_PORT}:80"` without a value becomes `"80"` by interpolation: a random port. */
export function unsetPublishedPorts(texts: readonly string[], unset: readonly string[]): UnsetPorts {
  const found = new Set<string>();
  const isUnset = (text: unknown) => {
    const name = /^\$\{?([A-Za-z_]\w*)\}?$/.exec(String(text ?? ''))?.[1];
    return name !== undefined && unset.includes(name);
  };
  for (const text of unset.length > 0 ? texts : []) {
    const services = read(text)['services'];
    for (const [name, service] of Object.entries(isMap(services) ? services : {})) {
      const ports = isMap(service) ? service['ports'] : undefined;
      for (const port of Array.isArray(ports) ? ports : []) {
        const [, published, target] = /(\$\{?\w+\}?):(\d+)(?:\/tcp)?$/.exec(String(port)) ?? [];
        if (isMap(port) && isUnset(port['published'])) found.add(`${name}:${port['target']}`);
        else if (isUnset(published)) found.add(`${name}:${target}`);
      }
    }
  }
  return found;
}

/** Whether services are at the top level, as docker-compose 1 wrote them until 2016. */
export function isFirstFormat(text: string): boolean {
  const file = read(text);
  if ('services' in file || 'include' in file) return false;
  return Object.entries(file).some(
    ([key, value]) => !key.startsWith('x-') && isMap(value) && ('image' in value || 'build' in value),
  );
}

export function firstFormatSentence(files: readonly string[]): string {
  return `${files.map((file) => `\`${file}\``).join(', ')} is in the format of docker-compose 1: its services stand at the top of the file, where docker compose no longer looks for them. Put \`services:\` above them and indent them.`;
}
