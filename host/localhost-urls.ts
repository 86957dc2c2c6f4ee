import { variableSuffix } from '#core/names';
import type { ComposeProject, ComposeService } from './compose-project.ts';
import type { PlannedService } from './plan-services.ts';

/**
 * Addresses like `http://localhost:3000` in variables and build arguments. On the developer's machine they lead to a
 * published port; in a preview they lead each visitor to the visitor's own machine. One project in six has them.
 *
 * Gotcha: only ports that the project publishes count. `http://localhost:9200` is right inside a container that
 * listens there.
 */
const ADDRESS = /https?:\/\/(?:localhost|127\.0\.0\.1)(?::(\d{1,5}))?(?![\w.-])/;
const MAX_SHOWN = 4;

export function localhostUrls(project: ComposeProject, services: readonly PlannedService[]): string[] {
  const owners = publishers(project);
  const found: string[] = [];
  for (const [name, service] of Object.entries(project.services ?? {})) {
    for (const [variable, value] of variablesOf(service)) {
      const [address, port = '80'] = ADDRESS.exec(value) ?? [];
      const owner = address === undefined ? undefined : owners.get(port);
      const planned = services.find((candidate) => candidate.name === owner);
      if (!planned) continue;
      const better = planned.primary ? 'EPH_URL' : `EPH_URL_${variableSuffix(planned.name)}`;
      found.push(`\`${variable}\` of \`${name}\` is \`${address}\`, write \`\${${better}:-${address}}\``);
    }
  }
  if (found.length === 0) return [];
  const more = found.length > MAX_SHOWN ? `; and ${found.length - MAX_SHOWN} more` : '';
  return [
    `Addresses that lead visitors to their own machine: ${found.slice(0, MAX_SHOWN).join('; ')}${more}.`,
  ];
}

/** Which service publishes a port of the machine. */
function publishers(project: ComposeProject): Map<string, string> {
  const owners = new Map<string, string>();
  for (const [name, { ports }] of Object.entries(project.services ?? {})) {
    for (const { published } of ports ?? []) if (published) owners.set(published, name);
  }
  return owners;
}

function variablesOf({ environment, build }: ComposeService): [name: string, value: string][] {
  const args =
    typeof build === 'object' && build !== null && 'args' in build && typeof build.args === 'object'
      ? build.args
      : {};
  return Object.entries({ ...args, ...environment }).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as [string, string]] : [],
  );
}
