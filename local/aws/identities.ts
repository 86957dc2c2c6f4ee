/**
 * All identities that sign requests on the local platform: the account's owner, the template's IAM users, sessions of
 * its roles (functions, machines). Gives out credentials as environment variables.
 */
import { type AccessKeys, createAccessKeys } from './access-keys.ts';
import { AwsError } from './aws-error.ts';
import type { Instance } from './ec2.ts';
import { parsePolicy } from './iam.ts';
import { createIamRoles, type IamRoles } from './iam-roles.ts';
import type { RoleCredentials } from './imds.ts';
import { type AccessKey, createKeyring, type Keyring, type Principal } from './keyring.ts';
import type { StackDescription } from './template.ts';
import type { Identity } from './template-identities.ts';

/** The variables that the AWS clients read; the session token exists for roles only. */
export type CredentialVariables = Record<string, string> & {
  AWS_ACCESS_KEY_ID: string;
  AWS_SECRET_ACCESS_KEY: string;
};

export interface Identities {
  keyring: Keyring;
  /** The keys that IAM has given out. */
  accessKeys: AccessKeys;
  /** Roles that were made by hand, outside of the stack. */
  roles: IamRoles;
  /** Users and roles of the present stack; issued keys have their rights from it. */
  set(stack: StackDescription | undefined): void;
  root(): CredentialVariables;
  /** The deployer: a person or program with a policy of its own, outside the template. */
  operator(name: string, policy: unknown): CredentialVariables;
  /** A new key of an IAM user, by name or logical id. */
  user(nameOrLogicalId: string): CredentialVariables;
  /**
   * A session of a role that was made by hand, for a caller that may assume it by its own policies (the receiver
   * has checked them) and by the role's trust.
   *
   * @throws AwsError also while STS does not know a new role of IAM yet
   */
  assume(roleArn: string, sessionName: string, by: Principal): ReturnType<Keyring['issueSession']>;
  /** A new session of a role, by name or logical id. */
  role(nameOrLogicalId: string, sessionName: string): CredentialVariables;
  /** The credentials that the metadata service gives a machine; renewed minutes before they expire. */
  ofInstance(instance: Instance): RoleCredentials | undefined;
  roleArnOfProfile(profile: string): string | undefined;
}

const SESSION_MS = 12 * 60 * 60 * 1000;
const ASSUMED_SESSION_MS = 60 * 60 * 1000;
const INSTANCE_SESSION_MS = 6 * 60 * 60 * 1000;
const RENEW_BEFORE_MS = 5 * 60 * 1000;

export function createIdentities({
  now,
  region,
  accountId,
}: {
  now: () => number;
  region: string;
  accountId: string;
}): Identities {
  const keyring = createKeyring(now, region);
  let users: Identity[] = [];
  let roles: Identity[] = [];
  let profiles: Record<string, string> = {};
  const instanceSessions = new Map<string, RoleCredentials>();

  function sessionOf(role: Identity, sessionName: string): Principal {
    return {
      arn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/${sessionName}`,
      userId: `${role.id}:${sessionName}`,
      userName: undefined,
      get statements() {
        return roles.find(({ name }) => name === role.name)?.statements ?? [];
      },
    };
  }

  function principalOf({ arn, id, name }: Identity): Principal {
    return {
      arn,
      userId: id,
      userName: name,
      get statements() {
        return users.find((user) => user.name === name)?.statements ?? [];
      },
    };
  }

  const madeByHand = createIamRoles(accountId, now);
  const accessKeys = createAccessKeys(keyring, now, (userName) => {
    const user = users.find(({ name }) => name === userName);
    return user && principalOf(user);
  });

  const variables = (key: AccessKey): CredentialVariables => ({
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
    ...(key.sessionToken && { AWS_SESSION_TOKEN: key.sessionToken }),
    AWS_REGION: region,
  });

  return {
    keyring,
    accessKeys,
    roles: madeByHand,
    set(stack) {
      users = stack?.users ?? [];
      roles = stack?.roles ?? [];
      profiles = stack?.profiles ?? {};
    },
    root: () =>
      variables(
        keyring.issueKey({
          arn: `arn:aws:iam::${accountId}:root`,
          userId: accountId,
          userName: undefined,
          statements: 'root',
        }),
      ),
    operator: (name, policy) =>
      variables(
        keyring.issueKey({
          arn: `arn:aws:sts::${accountId}:assumed-role/${name}/operator`,
          userId: `AROALOCALOPERATOR:${name}`,
          userName: undefined,
          statements: parsePolicy(policy, name),
        }),
      ),
    user(nameOrLogicalId) {
      return variables(keyring.issueKey(principalOf(find(users, 'user', nameOrLogicalId))));
    },
    role(nameOrLogicalId, sessionName) {
      const role = find(roles, 'role', nameOrLogicalId);
      return variables(keyring.issueSession(sessionOf(role, sessionName), SESSION_MS));
    },
    assume(roleArn, sessionName, by) {
      const role = madeByHand.assumable(roleArn);
      if (!role) {
        throw new AwsError(
          'AccessDenied',
          `User: ${by.arn} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`,
          403,
        );
      }
      const principal: Principal = {
        arn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/${sessionName}`,
        userId: `AROALOCAL:${sessionName}`,
        userName: undefined,
        get statements() {
          return [...role.policies].flatMap(([name, document]) => parsePolicy(JSON.parse(document), name));
        },
      };
      return keyring.issueSession(principal, ASSUMED_SESSION_MS);
    },
    ofInstance(instance) {
      const roleName = instance.instanceProfile && profiles[instance.instanceProfile];
      if (!roleName) return undefined;
      const held = instanceSessions.get(instance.id);
      if (held && held.expiresAt - RENEW_BEFORE_MS > now()) return held;
      const session = keyring.issueSession(
        sessionOf(find(roles, 'role', roleName), instance.id),
        INSTANCE_SESSION_MS,
      );
      const fresh: RoleCredentials = { roleName, ...session };
      instanceSessions.set(instance.id, fresh);
      return fresh;
    },
    roleArnOfProfile: (profile) => roles.find(({ name }) => name === profiles[profile])?.arn,
  };
}

function find(identities: readonly Identity[], kind: string, nameOrLogicalId: string): Identity {
  const found = identities.find(
    ({ name, logicalId }) => name === nameOrLogicalId || logicalId === nameOrLogicalId,
  );
  if (!found) throw new Error(`the template has no ${kind} ${nameOrLogicalId}`);
  return found;
}
