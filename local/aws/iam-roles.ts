/** Roles that are made by hand, outside of the stack: the deployer's. Pure. */
import { AwsError } from './aws-error.ts';
import { parsePolicy } from './iam.ts';

export interface IamRole {
  name: string;
  arn: string;
  trust: string;
  /** The policies by name, as they were given. */
  policies: Map<string, string>;
  createdAt: number;
}

export type IamRoles = ReturnType<typeof createIamRoles>;

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: all inline policies of a role together */
const MOST_INLINE = 10_240;

export function createIamRoles(accountId: string, now: () => number) {
  const knobs = {
    /** The time in which nobody can assume a new role, because IAM reports it to STS with a delay. */
    settlingMs: 0,
  };
  const roles = new Map<string, IamRole>();
  /** ARNs of the providers that vouch for others' identities (OpenID Connect). */
  const providers = new Set<string>();

  function get(name: string): IamRole {
    const role = roles.get(name);
    if (!role) throw new AwsError('NoSuchEntity', `The role with name ${name} cannot be found.`, 404);
    return role;
  }

  return {
    knobs,
    get,
    /** The role if its trust allows the account; nothing else is checked here. */
    assumable(arn: string): IamRole | undefined {
      const role = [...roles.values()].find((one) => one.arn === arn);
      if (!role || now() < role.createdAt + knobs.settlingMs) return undefined;
      return role.trust.includes(`arn:aws:iam::${accountId}:root`) ? role : undefined;
    },
    create(name: string, trust: string, path = '/'): IamRole {
      if (roles.has(name)) {
        throw new AwsError('EntityAlreadyExists', `Role with name ${name} already exists.`, 409);
      }
      checkJson(trust);
      const arn = `arn:aws:iam::${accountId}:role${path}${name}`;
      const role = { name, arn, trust, policies: new Map<string, string>(), createdAt: now() };
      roles.set(name, role);
      return role;
    },
    setTrust(name: string, trust: string): void {
      const { Statement = [] } = checkJson(trust) as { Statement?: { Principal?: { Federated?: string } }[] };
      const unknown = Statement.map(({ Principal }) => Principal?.Federated).find(
        (arn) => arn !== undefined && !providers.has(arn),
      );
      // IAM looks principals up when a trust is written, so a provider must exist before.
      if (unknown)
        throw new AwsError('MalformedPolicyDocument', `Federated principals must be valid: ${unknown}`);
      get(name).trust = trust;
    },
    createProvider(url: string): string {
      const arn = `arn:aws:iam::${accountId}:oidc-provider/${url.replace(/^https:\/\//, '')}`;
      if (providers.has(arn)) {
        throw new AwsError('EntityAlreadyExists', `Provider with url ${url} already exists.`, 409);
      }
      providers.add(arn);
      return arn;
    },
    putPolicy(name: string, policyName: string, document: string): void {
      const { policies } = get(name);
      parsePolicy(checkJson(document), policyName);
      const all = new Map(policies).set(policyName, document);
      if ([...all.values()].join('').replaceAll(/\s/g, '').length > MOST_INLINE) {
        throw new AwsError(
          'LimitExceeded',
          `Maximum policy size of ${MOST_INLINE} bytes exceeded for role ${name}`,
          409,
        );
      }
      policies.set(policyName, document);
    },
  };
}

function checkJson(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch {
    throw new AwsError('MalformedPolicyDocument', 'Syntax errors in policy.');
  }
}
