import { readFileSync } from 'node:fs';
import { createGithubValidator } from '../../local/github/github-description.ts';
import { describedPath, isUndescribed } from '../../local/github/undescribed.ts';
import { createOpenApiValidator, describeProblems, type OpenApiValidator } from '../../local/openapi.ts';
import type { WireEntry } from '../../local/wire-log.ts';

/** One line of the wire log, held against the vendor's description: what breaks it, in sentences. */
export type FindBreaches = (entry: WireEntry) => string[];

/**
 * GitHub's and Cloudflare's own descriptions of their APIs; a missing file throws here. Traffic without a
 * description is a breach, except the few calls that only people make (`isUndescribed`).
 */
export function createFindBreaches(): FindBreaches {
  const cloudflare = createOpenApiValidator(
    JSON.parse(readFileSync(new URL('./cloudflare-openapi.json', import.meta.url), 'utf8')),
  );
  const github = createGithubValidator();
  return (entry) => {
    switch (entry.peer) {
      case 'cloudflare':
        return breaches(cloudflare, entry, entry.path);
      case 'github':
        return isUndescribed(entry.method, entry.path)
          ? []
          : breaches(github, entry, describedPath(entry.path).path);
      default:
        return [];
    }
  };
}

function breaches(validator: OpenApiValidator, entry: WireEntry, path: string): string[] {
  const { method, query, request, status, reply } = entry;
  if (!validator.operation(method, path)) return [`${entry.peer} ${method} ${path} has no description`];
  const asked = validator.request(method, path, query, request ?? undefined);
  // A request that was refused may well have been wrong: that is what it was refused for.
  const wrong = status === 400 || status === 422 ? [] : asked;
  const answered = validator.reply(method, path, status, reply ?? undefined);
  return [
    ...wrong.map((problem) => `${method} ${path}, request: ${describeProblems([problem])}`),
    ...answered.map((problem) => `${method} ${path}, reply ${status}: ${describeProblems([problem])}`),
  ];
}
