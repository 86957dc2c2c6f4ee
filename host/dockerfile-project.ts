import { pagePorts } from './known-ports.ts';

/**
 * A repository with a `Dockerfile` and no compose file is one service. Its port is the one that the last stage
 * declares with EXPOSE; else `ENV PORT`, which most platforms and frameworks use; else the default port of the web
 * server image that the stage starts from.
 */
export const dockerfileService = 'app';

export function dockerfileProject(port: number): string {
  return JSON.stringify({ services: { [dockerfileService]: { build: '.', ports: [String(port)] } } });
}

/** Images into which people copy their pages without further configuration. */
const basePorts: readonly [image: RegExp, port: number][] = [
  [/(?:^|\/)nginx-unprivileged(?::|@|$)/, 8080],
  [/(?:^|\/)(?:nginx|httpd|caddy|apache|openresty)(?::|@|$)/, 80],
  [/(?:^|\/)(?:php|wordpress|drupal):[^\s]*apache/, 80],
  [/(?:^|\/)(?:tomcat|jetty)(?::|@|$)/, 8080],
];

export function dockerfilePort(text: string): number | undefined {
  const variables = new Map<string, string>();
  let exposed: number[] = [];
  let image = '';
  for (const [instruction, rest] of instructions(text)) {
    if (instruction === 'FROM') {
      exposed = [];
      image =
        filled(rest, variables)
          .replace(/^--platform=\S+\s+/, '')
          .split(/\s/)[0] ?? '';
    }
    if (instruction === 'ARG' || instruction === 'ENV') remember(rest, variables);
    if (instruction === 'EXPOSE') exposed.push(...filled(rest, variables).split(/\s+/).flatMap(tcpPort));
  }
  const [best] = [...exposed].sort((a, b) => rank(a) - rank(b));
  if (best) return best;
  const variable = Number(variables.get('PORT'));
  if (variable > 0 && variable < 65_536) return variable;
  return basePorts.find(([pattern]) => pattern.test(image))?.[1];
}

function* instructions(text: string): Generator<[instruction: string, rest: string]> {
  const joined = text.replace(/^\s*#.*$/gm, '').replace(/\\\r?\n/g, ' ');
  for (const line of joined.split(/\r?\n/)) {
    const [, instruction, rest] = /^\s*([A-Za-z]+)\s+(.*?)\s*$/.exec(line) ?? [];
    if (instruction && rest) yield [instruction.toUpperCase(), rest];
  }
}

/** `A=1 B="2"`, or the old `A 1`. */
function remember(rest: string, variables: Map<string, string>): void {
  const pairs = [...rest.matchAll(/([A-Za-z_]\w*)=("[^"]*"|'[^']*'|\S*)/g)];
  const [, name, value] = /^([A-Za-z_]\w*)\s+(\S+)$/.exec(rest) ?? [];
  if (pairs.length === 0 && name && value) variables.set(name, value);
  for (const [, key = '', quoted = ''] of pairs) {
    variables.set(key, filled(quoted.replace(/^(["'])(.*)\1$/, '$2'), variables));
  }
}

function filled(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(
    /\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))/g,
    (_, braced: string | undefined, fallback: string | undefined, plain: string | undefined) =>
      variables.get(braced ?? plain ?? '') || (fallback ?? ''),
  );
}

function tcpPort(entry: string): number[] {
  const [, port] = /^(\d+)(?:\/tcp)?$/i.exec(entry) ?? [];
  return port && Number(port) > 0 && Number(port) < 65_536 ? [Number(port)] : [];
}

function rank(port: number): number {
  const found = pagePorts.indexOf(port);
  return found < 0 ? pagePorts.length : found;
}
