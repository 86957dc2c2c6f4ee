import {
  DeleteParametersCommand,
  GetParametersCommand,
  PutParameterCommand,
  paginateDescribeParameters,
  type SSMClient,
} from '@aws-sdk/client-ssm';

export interface ParameterStore {
  /** The decrypted value; undefined if there is none. */
  read(name: string): Promise<string | undefined>;
  /** Encrypts with the account's `aws/ssm` key, and replaces an existing value. */
  writeSecret(name: string, value: string): Promise<void>;
  /** Writes a value that is not secret. */
  write(name: string, value: string): Promise<void>;
  /** Lists names only, so that no right to read secrets is needed. */
  list(prefix: string): Promise<{ name: string; changedAt: number }[]>;
  remove(names: readonly string[]): Promise<void>;
}

/** Standard parameters: free, 4 KB each. https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html */
export function parameterStore(client: SSMClient): ParameterStore {
  const put = async (Name: string, Value: string, Type: 'SecureString' | 'String') => {
    await client.send(new PutParameterCommand({ Name, Value, Type, Overwrite: true }));
  };
  return {
    async read(name) {
      const { Parameters } = await client.send(
        new GetParametersCommand({ Names: [name], WithDecryption: true }),
      );
      return Parameters?.[0]?.Value;
    },
    writeSecret: (name, value) => put(name, value, 'SecureString'),
    write: (name, value) => put(name, value, 'String'),
    async list(prefix) {
      const filter = { Key: 'Name', Option: 'BeginsWith', Values: [prefix] };
      const found: { name: string; changedAt: number }[] = [];
      for await (const page of paginateDescribeParameters({ client }, { ParameterFilters: [filter] })) {
        for (const { Name, LastModifiedDate } of page.Parameters ?? []) {
          if (Name) found.push({ name: Name, changedAt: LastModifiedDate?.getTime() ?? 0 });
        }
      }
      return found;
    },
    async remove(names) {
      // https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html: ten at once
      for (let from = 0; from < names.length; from += 10) {
        await client.send(new DeleteParametersCommand({ Names: names.slice(from, from + 10) }));
      }
    },
  };
}
