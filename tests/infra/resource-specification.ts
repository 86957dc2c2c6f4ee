import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec';
import type { Property, PropertyType, Resource } from '@aws-cdk/service-spec-types';

let loaded: ReturnType<typeof loadAwsServiceSpecSync> | undefined;

/** Reading it takes a second, so it is read when it is needed, and once per process. */
function database() {
  loaded ??= loadAwsServiceSpecSync();
  return loaded;
}

/** The entry of a type of resource in CloudFormation's registry. */
export function specificationOf(type: string): Resource | undefined {
  const [found] = database().lookup('resource', 'cloudFormationType', 'equals', type);
  return found;
}

export function propertiesOf(type: Extract<PropertyType, { type: 'ref' }>): Record<string, Property> {
  return database().get('typeDefinition', type.reference).properties;
}
