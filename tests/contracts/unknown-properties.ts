/**
 * Properties of a request's body that its description does not name. Vendors ignore what they do not know, so
 * a misspelt option does nothing and causes no error; JSON Schema allows it as well.
 *
 * Lenient in one place: of alternatives (`anyOf`, `oneOf`) the names of all are taken.
 */
export type FindUnknownProperties = (method: string, template: string, body: unknown) => string[];

type Json = Record<string, unknown>;

/** @returns JSON pointers into the body; `template` is as in the description: `/repos/{owner}/{repo}` */
export function createFindUnknownProperties(description: unknown): FindUnknownProperties {
  return (method, template, body) => {
    const operation = asJson(asJson(asJson(asJson(description)['paths'])[template])[method.toLowerCase()]);
    const content = asJson(asJson(resolve(operation['requestBody']))['content']);
    const schema = asJson(content['application/json'])['schema'];
    return schema === undefined ? [] : unknownIn([schema], body, '');
  };

  function unknownIn(schemas: readonly unknown[], value: unknown, at: string): string[] {
    const alternatives = schemas.flatMap(flatten);
    if (Array.isArray(value)) {
      const items = alternatives.flatMap((schema) => schema['items'] ?? []);
      return value.flatMap((item, index) => unknownIn(items, item, `${at}/${index}`));
    }
    if (typeof value !== 'object' || value === null) return [];
    const named = alternatives.filter((schema) => schema['properties'] !== undefined);
    if (named.length === 0 || alternatives.some((schema) => schema['additionalProperties'])) return [];
    return Object.entries(value).flatMap(([key, inner]) => {
      const places = named.flatMap((schema) => asJson(schema['properties'])[key] ?? []);
      return places.length === 0 ? [`${at}/${key}`] : unknownIn(places, inner, `${at}/${key}`);
    });
  }

  function flatten(schema: unknown): Json[] {
    const json = resolve(schema);
    const parts = ['allOf', 'anyOf', 'oneOf'].flatMap((name) => asList(json[name]));
    return [json, ...parts.flatMap(flatten)];
  }

  function resolve(value: unknown): Json {
    const json = asJson(value);
    const reference = json['$ref'];
    if (typeof reference !== 'string') return json;
    const keys = reference.slice(2).split('/');
    return resolve(keys.reduce<unknown>((inner, key) => asJson(inner)[key], description));
  }
}

function asJson(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
