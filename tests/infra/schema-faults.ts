import type { Property, PropertyType } from '@aws-cdk/service-spec-types';
import type { Template } from 'aws-cdk-lib/assertions';
import { propertiesOf, specificationOf } from './resource-specification.ts';

type Resources = Record<string, { Type: string; Properties?: Record<string, unknown> }>;

/**
 * The errors of a template by CloudFormation's registry. CDK's own types accept overrides and JSON, values outside a
 * list, and attributes that a resource does not have; CloudFormation refuses them in the middle of a deploy.
 */
export function schemaFaults(template: Template): string[] {
  const resources: Resources = template.toJSON()['Resources'];
  return Object.entries(resources).flatMap(([id, { Type, Properties = {} }]) => {
    const known = specificationOf(Type);
    if (!known) return Type.startsWith('Custom::') ? [] : [`${id}: ${Type} is no type of resource`];
    return objectFaults(Properties, known.properties, id, resources);
  });
}

function objectFaults(
  given: Record<string, unknown>,
  known: Record<string, Property>,
  path: string,
  resources: Resources,
): string[] {
  const missing = Object.entries(known)
    .filter(([name, { required }]) => required && given[name] === undefined)
    .map(([name]) => `${path}.${name} is missing`);
  const faults = Object.entries(given).flatMap(([name, value]) => {
    const property = known[name];
    if (!property) return [`${path}.${name} is no property`];
    return valueFaults(value, property.type, `${path}.${name}`, resources);
  });
  return [...missing, ...faults];
}

function valueFaults(value: unknown, type: PropertyType, path: string, resources: Resources): string[] {
  const reference = intrinsic(value);
  if (reference) return referenceFaults(reference, path, resources);
  switch (type.type) {
    case 'string':
      if (typeof value !== 'string') return [`${path} is no string`];
      return !type.allowedValues || type.allowedValues.includes(value) ? [] : [`${path} may not be ${value}`];
    case 'date-time':
      return typeof value === 'string' ? [] : [`${path} is no date`];
    case 'number':
      return typeof value === 'number' ? [] : [`${path} is no number`];
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value)) return [`${path} is no integer`];
      return !type.allowedValues || type.allowedValues.includes(value) ? [] : [`${path} may not be ${value}`];
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${path} is no boolean`];
    case 'null':
      return value === null ? [] : [`${path} is not null`];
    case 'json':
      return nestedReferences(value).flatMap((one) => referenceFaults(one, path, resources));
    case 'tag':
      return isObject(value) && Object.keys(value).sort().join() === 'Key,Value' ? [] : [`${path} is no tag`];
    case 'array':
      if (!Array.isArray(value)) return [`${path} is no list`];
      return value.flatMap((one, index) => valueFaults(one, type.element, `${path}.${index}`, resources));
    case 'map':
      if (!isObject(value)) return [`${path} is no map`];
      return Object.entries(value).flatMap(([key, one]) =>
        valueFaults(one, type.element, `${path}.${key}`, resources),
      );
    case 'ref':
      return isObject(value)
        ? objectFaults(value, propertiesOf(type), path, resources)
        : [`${path} is no object`];
    case 'union': {
      const tried = type.types.map((one) => valueFaults(value, one, path, resources));
      return tried.find((faults) => faults.length === 0) ?? tried[0] ?? [];
    }
  }
}

type Intrinsic = [name: string, argument: unknown];

/** `{ Ref: ... }` or `{ 'Fn::Join': ... }`: its type is known when it is deployed. */
function intrinsic(value: unknown): Intrinsic | undefined {
  if (!isObject(value)) return undefined;
  const [only, ...more] = Object.entries(value);
  return only && more.length === 0 && /^(Ref|Fn::\w+)$/.test(only[0]) ? only : undefined;
}

function nestedReferences(value: unknown): Intrinsic[] {
  const own = intrinsic(value);
  if (own) return [own];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(nestedReferences) : [];
}

function referenceFaults([name, argument]: Intrinsic, path: string, resources: Resources): string[] {
  if (name !== 'Fn::GetAtt') {
    return nestedReferences(argument).flatMap((one) => referenceFaults(one, path, resources));
  }
  const [id = '', attribute = ''] = argument as string[];
  const attributes = specificationOf(resources[id]?.Type ?? '')?.attributes;
  return attributes && !(attribute in attributes) ? [`${path}: ${id} has no ${attribute}`] : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
