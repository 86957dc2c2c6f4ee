import { type ComposeProject, saidTo } from './compose-project.ts';

/**
 * Services that call each other through the machine (`host.docker.internal:4000`, the host port of `api`). A preview
 * opens no host ports, so nothing answers at that address, and the application says only ECONNREFUSED.
 */
export function hostPortWarnings(project: ComposeProject): string[] {
  const services = Object.entries(project.services ?? {});
  return services.flatMap(([name, service]) => {
    const used = saidTo(service).matchAll(
      /(?:host\.docker\.internal|gateway\.docker\.internal|172\.17\.0\.1):(\d+)/g,
    );
    const addresses = new Map([...used].map(([address, port]) => [address, port]));
    return [...addresses].map(([address, port]) => {
      const other = services.flatMap(([target, { ports }]) =>
        (ports ?? []).flatMap((entry) => (entry.published === port ? [`${target}:${entry.target}`] : [])),
      )[0];
      const fix = other ? `use \`${other}\`` : 'use the name of a service and the port that it listens on';
      return `\`${name}\` calls \`${address}\`, but a preview opens no ports of the machine: ${fix}.`;
    });
  });
}
