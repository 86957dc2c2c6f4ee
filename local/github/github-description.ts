import { readFileSync } from 'node:fs';
import { createOpenApiValidator, type OpenApiDescription, type OpenApiValidator } from '../openapi.ts';
import { isObject } from './request-body.ts';

const file = new URL('../../tests/contracts/github-openapi.json', import.meta.url);

/**
 * GitHub's own description of its REST API (an excerpt of it), with its errors corrected:
 * - `head.repo` is null once a fork is deleted (github/rest-api-description#161).
 * - The account of a listed installation is a user or an enterprise, not both at once, as the schema for a
 *   single installation rightly says.
 */
function loadGithubDescription(): OpenApiDescription {
  const description: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isObject(description) || !isObject(description['paths'])) {
    throw new Error(`${file.pathname} is not an OpenAPI description`);
  }
  const schemas = at(description, 'components', 'schemas');
  for (const name of ['pull-request', 'pull-request-simple']) {
    at(schemas, name, 'properties', 'head', 'properties', 'repo')['nullable'] = true;
  }
  const list = at(description['paths'], '/app/installations', 'get', 'responses', '200', 'content');
  const properties = at(list, 'application/json', 'schema', 'items', 'properties');
  properties['account'] = at(schemas, 'installation', 'properties', 'account');
  return { paths: description['paths'], components: description['components'] };
}

export function createGithubValidator(): OpenApiValidator {
  return createOpenApiValidator(loadGithubDescription(), { errorSchema: '#/components/schemas/basic-error' });
}

function at(value: unknown, ...keys: string[]): Record<string, unknown> {
  const found = keys.reduce<unknown>((inner, key) => (isObject(inner) ? inner[key] : undefined), value);
  if (!isObject(found)) throw new Error(`${file.pathname} has no ${keys.join('.')}`);
  return found;
}
