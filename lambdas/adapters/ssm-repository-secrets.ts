import { paginateGetParametersByPath, type SSMClient } from '@aws-sdk/client-ssm';
import { isVariableName } from '#core/preview-config';
import type { RepositorySecrets } from '../ports.ts';
import { withAwsErrors } from './aws-errors.ts';

/**
 * Secrets of applications, `<path>/<repository id>/<NAME>`, written by `make secret`; for a forge other than GitHub
 * `<path>/<forge>/<repository id>/<NAME>`. The path has the numeric id, because a name may pass to another repository.
 * They are read for each deployment spec, so that a changed one applies at the next deploy.
 */
export function ssmRepositorySecrets(client: SSMClient, path: string): RepositorySecrets {
  return withAwsErrors('SSM Parameter Store', {
    async of(repositoryId, forge) {
      const secrets: Record<string, string> = {};
      const folder = forge === undefined ? path : `${path}/${forge}`;
      const query = { Path: `${folder}/${repositoryId}`, WithDecryption: true };
      // Ten per page is the maximum.
      for await (const page of paginateGetParametersByPath({ client, pageSize: 10 }, query)) {
        for (const { Name, Value } of page.Parameters ?? []) {
          const name = Name?.slice(Name.lastIndexOf('/') + 1) ?? '';
          // If `make secret` did not write it, its name may be one that no shell accepts, which would break the deploy.
          if (isVariableName(name) && Value !== undefined) secrets[name] = Value;
        }
      }
      return secrets;
    },
  });
}
