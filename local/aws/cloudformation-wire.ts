/** CloudFormation on the wire (query, XML), as far as it is read: which stack exists and what is in it. */
import { randomUUID } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import { escapeXml, type Reply, xmlReply } from './aws-protocol.ts';
import { operationNamed } from './operation-named.ts';
import type { StackDescription } from './template.ts';

export interface StackFactsOnWire {
  name: string;
  region: string;
  accountId: string;
  current(): StackDescription | undefined;
}

type StackOperation = (stack: StackFactsOnWire, description: StackDescription) => string;

export const stackOperations: Readonly<Record<string, StackOperation>> = {
  DescribeStacks: (stack, description) =>
    `<Stacks><member>${stackFields(stack, description)}</member></Stacks>`,
  ListStackResources(_, { functions }) {
    const members = functions.map(
      ({ name, logicalId }) =>
        `<member><LogicalResourceId>${logicalId}</LogicalResourceId><PhysicalResourceId>${escapeXml(name)}</PhysicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>`,
    );
    return `<StackResourceSummaries>${members.join('')}</StackResourceSummaries>`;
  },
};

/** @throws AwsError */
export function answerCloudFormation(
  stack: StackFactsOnWire,
  operation: string,
  params: Record<string, unknown>,
): Reply {
  const perform = operationNamed(stackOperations, operation);
  if (!perform) {
    throw new AwsError('InvalidAction', `The local platform does not offer cloudformation:${operation}`);
  }
  const wanted = params['StackName'];
  const description = stack.current();
  if (!description || (wanted !== undefined && wanted !== stack.name)) {
    throw new AwsError('ValidationError', `Stack with id ${String(wanted)} does not exist`);
  }
  return reply(operation, perform(stack, description));
}

function stackFields({ name, region, accountId }: StackFactsOnWire, { outputs }: StackDescription): string {
  const members = Object.entries(outputs).map(
    ([key, value]) =>
      `<member><OutputKey>${key}</OutputKey><OutputValue>${escapeXml(value)}</OutputValue></member>`,
  );
  return `<StackName>${name}</StackName><StackId>arn:aws:cloudformation:${region}:${accountId}:stack/${name}/0</StackId><CreationTime>2026-01-01T00:00:00.000Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${members.join('')}</Outputs>`;
}

function reply(operation: string, result: string): Reply {
  return xmlReply(
    `<${operation}Response xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><${operation}Result>${result}</${operation}Result><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></${operation}Response>`,
  );
}
