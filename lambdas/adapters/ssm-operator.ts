import { GetParametersCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { type OperatorNames, type OperatorParameters, operatorFrom } from '../operator-from.ts';
import { withAwsErrors } from './aws-errors.ts';

/** All parameters are read in one call, since a launch needs all of them. */
export function ssmOperator(client: SSMClient, names: OperatorNames, now: () => number): OperatorParameters {
  const read = async () => {
    const Names = [names.paused, names.image.amd64, names.image.arm64];
    const { Parameters } = await client.send(new GetParametersCommand({ Names }));
    return new Map((Parameters ?? []).map(({ Name, Value }) => [Name ?? '', Value ?? '']));
  };
  return withAwsErrors('SSM Parameter Store', operatorFrom(read, names, now));
}
