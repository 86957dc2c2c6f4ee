import { GetParametersCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { EphError } from '#core/failure';
import { withAwsErrors } from './aws-errors.ts';

/** Reads several parameters in one call, decrypted. The error names a missing one: a deploy creates them. */
export function ssmSecrets(client: SSMClient) {
  return withAwsErrors('SSM Parameter Store', {
    async read(names: readonly string[]): Promise<Map<string, string>> {
      const { Parameters, InvalidParameters } = await client.send(
        new GetParametersCommand({ Names: [...names], WithDecryption: true }),
      );
      if (InvalidParameters && InvalidParameters.length > 0) {
        const missing = InvalidParameters.join(', ');
        throw new EphError(
          'transient',
          'secret_missing',
          `These parameters do not exist: ${missing}. Deploy again.`,
        );
      }
      return new Map((Parameters ?? []).map(({ Name, Value }) => [Name ?? '', Value ?? '']));
    },
  });
}
