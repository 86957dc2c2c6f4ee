/** Systems Manager on the wire: JSON 1.1, times as epoch seconds. */
import * as v from 'valibot';
import { AwsError } from './aws-error.ts';
import { jsonReply, type Reply } from './aws-protocol.ts';
import { operationNamed } from './operation-named.ts';
import type { Invocation, Ssm } from './ssm.ts';
import type { Parameter } from './ssm-parameters.ts';

const names = v.array(v.string());
const decryption = v.optional(v.boolean(), false);
const invocationId = v.object({ CommandId: v.string(), InstanceId: v.string() });
const filters = v.optional(v.array(v.object({ Key: v.string(), Values: names })), []);

export type SsmOperation = (
  ssm: Ssm,
  params: Record<string, unknown>,
  arn: (name: string) => string,
) => object;

export const ssmOperations: Readonly<Record<string, SsmOperation>> = {
  SendCommand: sendCommand,
  GetCommandInvocation(ssm, params) {
    const { CommandId, InstanceId } = read(invocationId, params);
    return invocationReply(ssm.getInvocation(CommandId, InstanceId));
  },
  DescribeInstanceInformation: describeNodes,
  GetParameters({ parameters: store }, params, arn) {
    const input = read(v.object({ Names: names, WithDecryption: decryption }), params);
    const { parameters, invalid } = store.getMany(input.Names, input.WithDecryption);
    return { Parameters: parameters.map((one) => parameterReply(one, arn)), InvalidParameters: invalid };
  },
  GetParametersByPath({ parameters: store }, params, arn) {
    const page = { MaxResults: v.optional(v.number()), NextToken: v.optional(v.string()) };
    const input = read(
      v.object({ Path: v.string(), Recursive: decryption, WithDecryption: decryption, ...page }),
      params,
    );
    const found = store.byPath({
      path: input.Path,
      recursive: input.Recursive,
      withDecryption: input.WithDecryption,
      maxResults: input.MaxResults,
      nextToken: input.NextToken,
    });
    return {
      Parameters: found.parameters.map((one) => parameterReply(one, arn)),
      ...(found.nextToken && { NextToken: found.nextToken }),
    };
  },
  PutParameter({ parameters: store }, params) {
    const type = v.optional(v.picklist(['String', 'StringList', 'SecureString']));
    const input = read(
      v.object({ Name: v.string(), Type: type, Value: v.string(), Overwrite: decryption }),
      params,
    );
    const put = store.put({
      name: input.Name,
      type: input.Type,
      value: input.Value,
      overwrite: input.Overwrite,
    });
    return { Version: put.version, Tier: 'Standard' };
  },
  DescribeParameters: describeParameters,
  DeleteParameters({ parameters: store }, params) {
    const { Names } = read(v.object({ Names: v.pipe(names, v.maxLength(10)) }), params);
    const there = store.all().map(({ name }) => name);
    const found = Names.filter((name) => there.includes(name));
    for (const name of found) store.delete(name);
    return { DeletedParameters: found, InvalidParameters: Names.filter((name) => !found.includes(name)) };
  },
};

/** @throws AwsError */
export function answerSsm(
  ssm: Ssm,
  operation: string,
  params: Record<string, unknown>,
  arn: (name: string) => string,
): Reply {
  const perform = operationNamed(ssmOperations, operation);
  if (perform) return jsonReply(perform(ssm, params, arn));
  throw new AwsError('UnknownOperationException', `The local platform does not offer ssm:${operation}`);
}

function sendCommand(ssm: Ssm, params: Record<string, unknown>): object {
  const input = read(
    v.object({
      DocumentName: v.string(),
      InstanceIds: v.optional(names, []),
      Parameters: v.optional(v.record(v.string(), names), {}),
      TimeoutSeconds: v.optional(v.number()),
      Comment: v.optional(v.string()),
    }),
    params,
  );
  const sent = ssm.sendCommand({
    documentName: input.DocumentName,
    instanceIds: input.InstanceIds,
    parameters: input.Parameters,
    timeoutSeconds: input.TimeoutSeconds,
    comment: input.Comment,
  });
  return {
    Command: {
      CommandId: sent.commandId,
      DocumentName: input.DocumentName,
      Comment: input.Comment ?? '',
      ExpiresAfter: sent.expiresAt / 1000,
      Parameters: input.Parameters,
      InstanceIds: input.InstanceIds,
      Targets: [],
      RequestedDateTime: sent.requestedAt / 1000,
      Status: 'Pending',
      StatusDetails: 'Pending',
      TargetCount: input.InstanceIds.length,
      CompletedCount: 0,
      ErrorCount: 0,
    },
  };
}

function describeNodes(ssm: Ssm, params: Record<string, unknown>): object {
  const input = read(
    v.object({
      Filters: filters,
      InstanceInformationFilterList: v.optional(v.array(v.object({ key: v.string(), valueSet: names })), []),
    }),
    params,
  );
  const wanted = [
    ...input.Filters.map(({ Key, Values }) => ({ key: Key, values: Values })),
    ...input.InstanceInformationFilterList.map(({ key, valueSet }) => ({ key, values: valueSet })),
  ];
  const other = wanted.find(({ key }) => key !== 'InstanceIds' && key !== 'PingStatus');
  if (other)
    throw new AwsError('InvalidFilterKey', `The local platform does not offer the filter ${other.key}`);
  const listed = ssm
    .nodes()
    .filter(({ online }) => online)
    .filter(({ instanceId }) =>
      wanted.every(({ key, values }) => values.includes(key === 'InstanceIds' ? instanceId : 'Online')),
    );
  return {
    InstanceInformationList: listed.map((node) => ({
      InstanceId: node.instanceId,
      PingStatus: 'Online',
      LastPingDateTime: node.lastPingAt / 1000,
      RegistrationDate: node.registeredAt / 1000,
      PlatformType: 'Linux',
      ResourceType: 'EC2Instance',
    })),
  };
}

const MAX_DESCRIBED = 50;

/** Returns names and dates, never values. */
function describeParameters(ssm: Ssm, params: Record<string, unknown>): object {
  const filter = v.object({
    Key: v.literal('Name', 'the local platform filters by Name only'),
    Option: v.optional(v.picklist(['BeginsWith', 'Equals']), 'Equals'),
    Values: names,
  });
  const input = read(
    v.object({
      ParameterFilters: v.optional(v.array(filter), []),
      MaxResults: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(MAX_DESCRIBED)), MAX_DESCRIBED),
      NextToken: v.optional(v.string(), '0'),
    }),
    params,
  );
  const wanted = ssm.parameters
    .all()
    .filter(({ name }) =>
      input.ParameterFilters.every(({ Option, Values }) =>
        Values.some((value) => (Option === 'Equals' ? name === value : name.startsWith(value))),
      ),
    );
  const start = Number(input.NextToken);
  const end = start + input.MaxResults;
  return {
    Parameters: wanted.slice(start, end).map(({ name, type, version, modifiedAt }) => ({
      Name: name,
      Type: type,
      Version: version,
      LastModifiedDate: modifiedAt / 1000,
      Tier: 'Standard',
    })),
    ...(end < wanted.length && { NextToken: String(end) }),
  };
}

function parameterReply(parameter: Parameter, arn: (name: string) => string): object {
  return {
    Name: parameter.name,
    Type: parameter.type,
    Value: parameter.value,
    Version: parameter.version,
    LastModifiedDate: parameter.modifiedAt / 1000,
    ARN: arn(parameter.name),
    DataType: 'text',
  };
}

function invocationReply(invocation: Invocation): object {
  return {
    CommandId: invocation.commandId,
    InstanceId: invocation.instanceId,
    Comment: invocation.comment,
    DocumentName: invocation.documentName,
    PluginName: 'aws:runShellScript',
    ResponseCode: invocation.responseCode,
    Status: invocation.status,
    StatusDetails: invocation.statusDetails.replaceAll(' ', ''),
    StandardOutputContent: invocation.stdout,
    StandardErrorContent: invocation.stderr,
    ExecutionStartDateTime:
      invocation.startedAt === undefined ? '' : new Date(invocation.startedAt).toISOString(),
    ExecutionEndDateTime: invocation.endedAt === undefined ? '' : new Date(invocation.endedAt).toISOString(),
  };
}

function read<Schema extends v.GenericSchema>(
  schema: Schema,
  params: Record<string, unknown>,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, params);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new AwsError('ValidationException', `${v.getDotPath(issue) ?? 'request'}: ${issue.message}`);
}
