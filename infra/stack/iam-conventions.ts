import { Aspects, type IAspect } from 'aws-cdk-lib';
import {
  CfnInstanceProfile,
  CfnRole,
  CfnUser,
  ManagedPolicy,
  PermissionsBoundary,
} from 'aws-cdk-lib/aws-iam';
import type { Construct, IConstruct } from 'constructs';

/**
 * Applies a company's conditions to every role and user in a scope: a permissions boundary (a managed policy's ARN,
 * or its name in the account) and a path.
 */
export function followIamConventions(
  scope: Construct,
  conventions: { boundary: string | undefined; path: string | undefined },
): void {
  const { boundary, path } = conventions;
  if (boundary) {
    PermissionsBoundary.of(scope).apply(
      boundary.startsWith('arn:')
        ? ManagedPolicy.fromManagedPolicyArn(scope, 'Boundary', boundary)
        : ManagedPolicy.fromManagedPolicyName(scope, 'Boundary', boundary),
    );
  }
  if (path) Aspects.of(scope).add(atPath(path));
}

function atPath(path: string): IAspect {
  return {
    visit(node: IConstruct) {
      if (node instanceof CfnRole || node instanceof CfnUser || node instanceof CfnInstanceProfile) {
        node.path = path;
      }
    },
  };
}
