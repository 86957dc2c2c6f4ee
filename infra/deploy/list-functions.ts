import { ListStackResourcesCommand } from '@aws-sdk/client-cloudformation';
import { stackName } from '../settings/settings.ts';
import type { Deployment } from './deployment.ts';

export interface FunctionOfStack {
  /** Begins with the name of its construct: `DeployerFunction9C2D6F4B`. */
  logicalId: string;
  name: string;
}

/** @throws the error of CloudFormation if there is no such stack */
export async function listFunctions({ aws, settings }: Deployment): Promise<FunctionOfStack[]> {
  const functions: FunctionOfStack[] = [];
  let NextToken: string | undefined;
  do {
    const page = await aws.cloudformation.send(
      new ListStackResourcesCommand({ StackName: stackName(settings.DEPLOYMENT_ID), NextToken }),
    );
    for (const resource of page.StackResourceSummaries ?? []) {
      const { ResourceType, LogicalResourceId: logicalId, PhysicalResourceId: name } = resource;
      if (ResourceType === 'AWS::Lambda::Function' && logicalId && name) functions.push({ logicalId, name });
    }
    NextToken = page.NextToken;
  } while (NextToken);
  return functions;
}
