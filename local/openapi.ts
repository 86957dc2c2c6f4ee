import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

/**
 * Checks requests and replies against a vendor's OpenAPI 3.0 description (tests/contracts/*.json). The stand-ins use
 * it while they answer, the contract tests use it on the wire log afterwards.
 *
 * Gotchas
 * - Schemas are compiled when first needed and kept: compiling all of GitHub's takes seconds.
 * - OpenAPI 3.0 is not JSON Schema: `nullable` becomes a union with null (also for `enum`, `$ref` and
 *   `allOf`), `exclusiveMinimum: true` becomes a number.
 * - `oneOf` is read as `anyOf`: vendors list alternatives that overlap, e.g. two without a required field.
 * - Parameters arrive as text. They are read as what the description says (integer, boolean) before they
 *   are checked.
 * - Descriptions leave out most error replies. A 4xx or 5xx without a described body is checked against
 *   `errorSchema`, if one is given, and is a problem otherwise.
 * - Only JSON bodies are checked. A body of another media type is passed as undefined.
 */
export interface OpenApiDescription {
  paths: Record<string, unknown>;
  components?: unknown;
}

export interface OpenApiProblem {
  in: 'operation' | 'path' | 'query' | 'body' | 'status' | 'reply';
  /** The parameter's name, or the JSON pointer into the body; empty for the whole. */
  at: string;
  message: string;
}

export interface OpenApiOperation {
  id: string;
  /** The path in the description: `/repos/{owner}/{repo}`. */
  template: string;
  pathParameters: Record<string, string>;
}

export interface OpenApiValidator {
  /** The described operation, or undefined if the description has none for this method and path. */
  operation(method: string, path: string): OpenApiOperation | undefined;
  request(
    method: string,
    path: string,
    query: Readonly<Record<string, string | string[]>>,
    body: unknown,
  ): OpenApiProblem[];
  reply(method: string, path: string, status: number, body: unknown): OpenApiProblem[];
}

export interface OpenApiOptions {
  /** JSON pointer of the schema for undescribed errors, e.g. `#/components/schemas/basic-error`. */
  errorSchema?: string;
}

type Json = Record<string, unknown>;

interface Route {
  template: string;
  pattern: RegExp;
  names: string[];
  literals: number;
  item: Json;
}

interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: Json;
}

const DESCRIPTION_ID = 'description.json';

export function createOpenApiValidator(
  description: OpenApiDescription,
  options: OpenApiOptions = {},
): OpenApiValidator {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true, logger: false });
  formats.default(ajv);
  ajv.addSchema({ $id: DESCRIPTION_ID, components: toJsonSchema(description.components ?? {}) });
  const compiled = new Map<string, ValidateFunction>();

  const resolve = (value: unknown): Json => {
    const json = asJson(value);
    return typeof json['$ref'] === 'string' ? resolve(atPointer(description, json['$ref'])) : json;
  };
  const routes = Object.entries(description.paths).map(([template, item]) =>
    toRoute(template, asJson(item), resolve),
  );

  const check = (key: string, schema: unknown, value: unknown): ErrorObject[] => {
    let validate = compiled.get(key);
    if (!validate) {
      validate = ajv.compile(asJson(toJsonSchema(schema)));
      compiled.set(key, validate);
    }
    return validate(value) ? [] : (validate.errors ?? []);
  };

  const find = (method: string, path: string) => {
    const verb = method.toLowerCase();
    const fitting = routes
      .filter((route) => route.item[verb] && route.pattern.test(path))
      .sort((a, b) => b.literals - a.literals || a.names.length - b.names.length);
    const [route] = fitting;
    if (!route) return undefined;
    return { route, operation: asJson(route.item[verb]), values: readPath(route, path) };
  };

  const parametersOf = (route: Route, operation: Json): Parameter[] =>
    [...asList(route.item['parameters']), ...asList(operation['parameters'])].map((raw) => {
      const parameter = resolve(raw);
      return {
        name: String(parameter['name']),
        in: String(parameter['in']),
        required: parameter['required'] === true,
        schema: asJson(parameter['schema']),
      };
    });

  const checkParameter = (key: string, parameter: Parameter, raw: string | string[]): OpenApiProblem[] =>
    check(
      `${key} ${parameter.in} ${parameter.name}`,
      parameter.schema,
      readText(resolve(parameter.schema), raw),
    ).map((error) => ({
      in: parameter.in === 'path' ? 'path' : 'query',
      at: parameter.name,
      message: describe(error),
    }));

  return {
    operation(method, path) {
      const found = find(method, path);
      if (!found) return undefined;
      return {
        id: String(found.operation['operationId'] ?? `${method} ${found.route.template}`),
        template: found.route.template,
        pathParameters: found.values,
      };
    },

    request(method, path, query, body) {
      const found = find(method, path);
      if (!found) return [unknownOperation(method, path)];
      const key = `${method.toLowerCase()} ${found.route.template}`;
      const parameters = parametersOf(found.route, found.operation);
      const problems: OpenApiProblem[] = [];
      for (const parameter of parameters) {
        const raw = parameter.in === 'path' ? found.values[parameter.name] : query[parameter.name];
        if (parameter.in !== 'path' && parameter.in !== 'query') continue;
        if (raw !== undefined) problems.push(...checkParameter(key, parameter, raw));
        else if (parameter.required) {
          problems.push({ in: parameter.in, at: parameter.name, message: 'is required' });
        }
      }
      const known = new Set(parameters.filter((p) => p.in === 'query').map((p) => p.name));
      for (const name of Object.keys(query)) {
        if (!known.has(name)) problems.push({ in: 'query', at: name, message: 'is not in the description' });
      }
      return [...problems, ...requestBodyProblems(key, found.operation, body)];
    },

    reply(method, path, status, body) {
      const found = find(method, path);
      if (!found) return [unknownOperation(method, path)];
      const responses = asJson(found.operation['responses']);
      const response =
        responses[String(status)] ?? responses[`${Math.floor(status / 100)}XX`] ?? responses['default'];
      const key = `${method.toLowerCase()} ${found.route.template} ${status}`;
      if (response === undefined) return undescribedReply(status, body);
      const schema = jsonSchemaOf(resolve(response));
      if (!schema)
        return status < 400 ? unexpectedBody(resolve(response), body) : undescribedReply(status, body);
      return check(key, schema, body ?? null).map((error) => toProblem('reply', error));
    },
  };

  function requestBodyProblems(key: string, operation: Json, body: unknown): OpenApiProblem[] {
    if (operation['requestBody'] === undefined) return [];
    const requestBody = resolve(operation['requestBody']);
    const schema = jsonSchemaOf(requestBody);
    if (!schema) return [];
    if (body === undefined) {
      return requestBody['required'] === true ? [{ in: 'body', at: '', message: 'is required' }] : [];
    }
    return check(`${key} body`, schema, body).map((error) => toProblem('body', error));
  }

  function undescribedReply(status: number, body: unknown): OpenApiProblem[] {
    const { errorSchema } = options;
    if (status < 400 || errorSchema === undefined) {
      return [{ in: 'status', at: '', message: `${status} is not in the description` }];
    }
    return check(errorSchema, { $ref: errorSchema }, body ?? null).map((error) => toProblem('reply', error));
  }
}

function unknownOperation(method: string, path: string): OpenApiProblem {
  return { in: 'operation', at: '', message: `${method.toUpperCase()} ${path} is not in the description` };
}

function unexpectedBody(response: Json, body: unknown): OpenApiProblem[] {
  const described = Object.keys(asJson(response['content'])).length > 0;
  if (described || body === undefined || body === null || body === '') return [];
  return [{ in: 'reply', at: '', message: 'must have no body' }];
}

function toProblem(where: 'body' | 'reply', error: ErrorObject): OpenApiProblem {
  return { in: where, at: error.instancePath, message: describe(error) };
}

function describe(error: ErrorObject): string {
  const allowed: unknown = error.params['allowedValues'];
  if (Array.isArray(allowed))
    return `must be one of ${allowed.map((value) => JSON.stringify(value)).join(', ')}`;
  return error.message ?? `fails ${error.keyword}`;
}

/** One line per problem, for error messages and test output. */
export function describeProblems(problems: readonly OpenApiProblem[]): string {
  return problems
    .map((problem) => `${problem.in}${problem.at ? ` ${problem.at}` : ''}: ${problem.message}`)
    .join('\n');
}

function toRoute(template: string, item: Json, resolve: (value: unknown) => Json): Route {
  const names: string[] = [];
  const parts = template.split(/(\{[^}]+\})/).map((part) => {
    if (!part.startsWith('{')) return escapePattern(part);
    const name = part.slice(1, -1);
    names.push(name);
    return spansSegments(item, name, resolve) ? '(.*)' : '([^/]+)';
  });
  return {
    template,
    // The slash of an empty last parameter may be missing: Octokit requests `/contents`.
    pattern: new RegExp(`^${parts.join('').replace(/\/\(\.\*\)$/, '(?:/(.*))?')}$`),
    names,
    literals: template.replace(/\{[^}]+\}/g, '').replace(/\/$/, '').length,
    item,
  };
}

/** GitHub's `{path}` and `{ref}` hold slashes; its description says so with `x-multi-segment`. */
function spansSegments(item: Json, name: string, resolve: (value: unknown) => Json): boolean {
  const raw = Object.values(item).flatMap((value) => asList(asJson(value)['parameters']));
  return [...asList(item['parameters']), ...raw]
    .map(resolve)
    .some((parameter) => parameter['name'] === name && parameter['x-multi-segment'] === true);
}

function readPath(route: Route, path: string): Record<string, string> {
  const match = route.pattern.exec(path);
  return Object.fromEntries(route.names.map((name, index) => [name, decode(match?.[index + 1] ?? '')]));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function readText(schema: Json, raw: string | string[]): unknown {
  if (schema['type'] === 'array') {
    const items = Array.isArray(raw) ? raw : raw.split(',');
    return items.map((item) => readText(asJson(schema['items']), item));
  }
  const text = Array.isArray(raw) ? (raw.at(-1) ?? '') : raw;
  if (schema['type'] === 'integer' || schema['type'] === 'number') {
    return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  if (schema['type'] === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}

function jsonSchemaOf(holder: Json): unknown {
  const content = asJson(holder['content']);
  const type = Object.keys(content).find((name) => name === 'application/json' || name.endsWith('+json'));
  return type === undefined ? undefined : asJson(content[type])['schema'];
}

/** OpenAPI 3.0 schema to JSON Schema draft 7, at any depth; other values pass through unchanged. */
function toJsonSchema(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toJsonSchema);
  if (typeof value !== 'object' || value === null) return value;
  const { nullable, discriminator: _, example: __, ...rest } = value as Json;
  const schema: Json = {};
  for (const [key, inner] of Object.entries(rest)) {
    // A property may be called "oneOf" as well, but then it holds a schema and not a list.
    const name = key === 'oneOf' && Array.isArray(inner) ? 'anyOf' : key;
    schema[name] = key === 'enum' || key === 'default' ? inner : toJsonSchema(inner);
  }
  if (typeof schema['$ref'] === 'string') schema['$ref'] = toReference(schema['$ref']);
  toNumericBound(schema, 'exclusiveMinimum', 'minimum');
  toNumericBound(schema, 'exclusiveMaximum', 'maximum');
  // A property that happens to be called "nullable" holds a schema, not a boolean.
  if (typeof nullable === 'object') return { ...schema, nullable: toJsonSchema(nullable) };
  const lenient = orDefault(schema);
  return nullable === true ? orNull(lenient) : lenient;
}

/** GitHub's addresses default to "", which is no address: a default is always valid. */
function orDefault(schema: Json): Json {
  if (schema['default'] !== '' || schema['format'] === undefined) return schema;
  return { anyOf: [schema, { const: '' }] };
}

function toReference(pointer: string): string {
  return pointer.startsWith('#') ? `${DESCRIPTION_ID}${pointer}` : pointer;
}

function toNumericBound(schema: Json, exclusive: string, inclusive: string): void {
  if (typeof schema[exclusive] !== 'boolean') return;
  if (schema[exclusive]) {
    schema[exclusive] = schema[inclusive];
    delete schema[inclusive];
  } else delete schema[exclusive];
}

function orNull(schema: Json): Json {
  if (typeof schema['type'] !== 'string') return { anyOf: [schema, { type: 'null' }] };
  const union: Json = { ...schema, type: [schema['type'], 'null'] };
  if (Array.isArray(schema['enum'])) union['enum'] = [...schema['enum'], null];
  return union;
}

function atPointer(root: unknown, pointer: string): unknown {
  const keys = pointer
    .slice(2)
    .split('/')
    .map((key) => decode(key).replaceAll('~1', '/').replaceAll('~0', '~'));
  return keys.reduce<unknown>((value, key) => asJson(value)[key], root);
}

function asJson(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
