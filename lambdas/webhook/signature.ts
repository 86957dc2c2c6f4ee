import { Webhooks } from '@octokit/webhooks';

/**
 * Whether GitHub signed this body with one of the secrets: the current one, or the previous one during a rotation.
 *
 * The header's form is checked first: the package throws on a header without hexadecimal digits, and a
 * stranger's header must lead to a 401, not to an error of ours. The comparison inside takes the same time for every
 * wrong signature (`crypto.subtle.verify`).
 */
export async function isSigned(body: string, header: string, secrets: string[]): Promise<boolean> {
  if (!/^sha256=[0-9a-f]{64}$/.test(header) || body === '') return false;
  for (const secret of secrets) {
    if (await new Webhooks({ secret }).verify(body, header)) return true;
  }
  return false;
}
