import * as v from 'valibot';
import { composeProjectSchema, imageOf, needsOf } from './compose-project.ts';
import { valuesOf } from './machine-reach.ts';

/** Returns the project without a service and without the services that need it. */
export function leaveOut(project: unknown, service: string): { project: unknown; left: string[] } {
  const services = v.parse(composeProjectSchema, project).services ?? {};
  const left = new Set([service]);
  for (let known = 0; known < left.size; ) {
    known = left.size;
    const built = Object.entries(services).flatMap(([name, what]) =>
      left.has(name) && what.build ? [imageOf(name, what)] : [],
    );
    for (const [name, what] of Object.entries(services)) {
      const needs = needsOf(what).some((other) => left.has(other));
      // An image name that is built here is never pulled.
      const uses = !what.build && built.includes(imageOf(name, what));
      if (needs || uses) left.add(name);
    }
  }
  const kept = Object.entries(valuesOf(valuesOf(project)['services'])).filter(([name]) => !left.has(name));
  return { project: { ...valuesOf(project), services: Object.fromEntries(kept) }, left: [...left] };
}
