import { Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/**
 * Accepts findings of cdk-nag's AwsSolutions rules, on the construct that causes them and nowhere else, so that the
 * same finding elsewhere still fails the synthesis. Ids are those that the error prints, brackets included. They
 * contain logical ids, so the findings of a renamed construct appear again.
 */
export function acknowledge(scope: Construct, reason: string, ids: string[]): void {
  for (const id of ids) Validations.of(scope).acknowledge({ id: `AwsSolutions::AwsSolutions-${id}`, reason });
}

/** The finding about a wildcard in a policy's resource, as cdk-nag writes it. */
export function wildcard(resource: string): string {
  return `IAM5[Resource::${resource}]`;
}
