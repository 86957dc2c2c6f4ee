import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec';
import type { Property, PropertyType, Resource } from '@aws-cdk/service-spec-types';

let loaded: ReturnType<typeof loadAwsServiceSpecSync> | undefined;

/** A second to read, so it is read when it is asked for, and once per process. */
function database() {
  loaded ??= loadAwsServiceSpecSync();
  return loaded;
}

/** What CloudFormation's registry says of a type of resource. */
export function specificationOf(type: string): Resource | undefined {
  const [found] = database().lookup('resource', 'cloudFormationType', 'equals', type);
  return found;
}

export function propertiesOf(type: Extract<PropertyType, { type: 'ref' }>): Record<string, Property> {
  return database().get('typeDefinition', type.reference).properties;
}
