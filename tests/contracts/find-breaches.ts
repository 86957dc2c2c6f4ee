import { readFileSync } from 'node:fs';
import { describedPath } from '../../local/github/described-path.ts';
import {
  createOpenApiValidator,
  describeProblems,
  type OpenApiDescription,
  type OpenApiProblem,
} from '../../local/openapi.ts';
import type { WireEntry } from '../../local/wire-log.ts';
import { createFindUnknownProperties } from './unknown-properties.ts';

/**
 * Compares one line of the wire log with the vendor's description as it came, and returns the breaches, in
 * sentences that name the operation and the place. The stand-ins correct their copy of the description in
 * more places than this, and allow what the vendors allow; here only `corrections` are allowed, and for
 * people, who may try things out, unknown properties and requests that were refused.
 */
export type FindBreaches = (entry: WireEntry, of?: 'product' | 'person') => string[];

export interface Correction {
  reason: string;
  source: string;
  excuses(entry: WireEntry, problem: OpenApiProblem): boolean;
}

/**
 * The places where GitHub's description is wrong about GitHub. Two more corrections are in the reader itself
 * (`local/openapi.ts`): `oneOf` counts as `anyOf`, and an address may be empty where its default is.
 */
export const corrections: readonly Correction[] = [
  {
    reason: 'The repository of a pull request’s head is null once the fork is deleted.',
    source: 'https://github.com/github/rest-api-description/issues/161',
    excuses: ({ path }, { in: place, at, message }) =>
      /\/pulls(\/\d+)?$/.test(path) &&
      place === 'reply' &&
      at === '/head/repo' &&
      message === 'must be object',
  },
  {
    reason: 'Any call for a repository that was renamed or transferred is answered with its new address.',
    source:
      'https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects',
    excuses: ({ path, status, reply }, { in: place }) =>
      /^\/repos\//.test(path) && [301, 307].includes(status) && place === 'status' && hasUrl(reply),
  },
  {
    reason:
      'The account of a listed installation is a user or an enterprise, and is said to be both at once.',
    source: 'https://docs.github.com/en/rest/apps/apps#list-installations-for-the-authenticated-app',
    excuses: ({ peer, path, status }, { in: place, at }) =>
      peer === 'github' &&
      path === '/app/installations' &&
      status === 200 &&
      place === 'reply' &&
      /^\/\d+\/account$/.test(at),
  },
  {
    reason: 'Cloudflare’s rate limit has the code 971, and codes are said to begin at 1000.',
    source: 'https://github.com/cloudflare/workers-sdk/issues/10025',
    excuses: ({ peer, status }, { at, message }) =>
      peer === 'cloudflare' && status === 429 && at === '/errors/0/code' && message === 'must be >= 1000',
  },
];

/** @throws Error where a description is missing or is none */
export function createFindBreaches(excuses: readonly Correction[] = corrections): FindBreaches {
  const github = describedBy('github-openapi.json', excuses, '#/components/schemas/basic-error');
  const cloudflare = describedBy('cloudflare-openapi.json', excuses);
  return (entry, of = 'product') => {
    switch (entry.peer) {
      case 'cloudflare':
        return cloudflare(entry, entry.path, of);
      case 'github':
        return github(entry, describedPath(entry.path).path, of);
      default:
        return [];
    }
  };
}

export function readDescription(file: string): OpenApiDescription & { info: Record<string, unknown> } {
  return JSON.parse(readFileSync(new URL(`./${file}`, import.meta.url), 'utf8'));
}

function describedBy(file: string, corrections: readonly Correction[], errorSchema?: string) {
  const description = readDescription(file);
  const validator = createOpenApiValidator(description, errorSchema ? { errorSchema } : {});
  const findUnknown = createFindUnknownProperties(description);

  return (entry: WireEntry, path: string, of: 'product' | 'person'): string[] => {
    const { peer, method, query, request, status, reply } = entry;
    const operation = validator.operation(method, path);
    if (!operation) return [`${peer} ${method} ${path} has no description`];
    const unknown = findUnknown(method, operation.template, request).map(
      (at): OpenApiProblem => ({ in: 'body', at, message: 'is not in the description' }),
    );
    const asked = validator.request(method, path, query, request ?? undefined);
    const tryingOut = of === 'person' && (status === 400 || status === 422);
    const wrong = of === 'product' ? [...asked, ...unknown] : tryingOut ? [] : asked;
    const answered = validator.reply(method, path, status, reply ?? undefined);
    const excused = (problem: OpenApiProblem) => corrections.some(({ excuses }) => excuses(entry, problem));
    const where = `${operation.id} (${method} ${path})`;
    return [
      ...wrong.map((problem) => `${where}, request: ${describeProblems([problem])}`),
      ...answered
        .filter((problem) => !excused(problem))
        .map((problem) => `${where}, reply ${status}: ${describeProblems([problem])}`),
    ];
  };
}

function hasUrl(reply: unknown): boolean {
  return typeof reply === 'object' && reply !== null && 'url' in reply && typeof reply.url === 'string';
}
