/** Access keys of IAM users, as IAM keeps them: two at most, active or not. Pure except for the keyring. */
import { AwsError } from './aws-error.ts';
import type { AccessKey, Keyring, Principal } from './keyring.ts';

export interface ListedKey {
  id: string;
  active: boolean;
  /** Epoch milliseconds. */
  createdAt: number;
}

export interface AccessKeys {
  /** @throws AwsError of IAM, like all of these */
  create(userName: string): AccessKey & { createdAt: number };
  list(userName: string): ListedKey[];
  setActive(userName: string, id: string, active: boolean): void;
  remove(userName: string, id: string): void;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const MOST_KEYS = 2;

export function createAccessKeys(
  keyring: Keyring,
  now: () => number,
  principalOf: (userName: string) => Principal | undefined,
): AccessKeys {
  const held = new Map<string, ListedKey[]>();

  function keysOf(userName: string): { principal: Principal; keys: ListedKey[] } {
    const principal = principalOf(userName);
    if (!principal)
      throw new AwsError('NoSuchEntity', `The user with name ${userName} cannot be found.`, 404);
    const keys = held.get(userName) ?? [];
    held.set(userName, keys);
    return { principal, keys };
  }

  function keyOf(userName: string, id: string): { keys: ListedKey[]; key: ListedKey } {
    const { keys } = keysOf(userName);
    const key = keys.find((one) => one.id === id);
    if (!key) throw new AwsError('NoSuchEntity', `The Access Key with id ${id} cannot be found.`, 404);
    return { keys, key };
  }

  return {
    create(userName) {
      const { principal, keys } = keysOf(userName);
      if (keys.length >= MOST_KEYS) {
        throw new AwsError('LimitExceeded', `Cannot exceed quota for AccessKeysPerUser: ${MOST_KEYS}`, 409);
      }
      const key = keyring.issueKey(principal);
      const createdAt = now();
      keys.push({ id: key.accessKeyId, active: true, createdAt });
      return { ...key, createdAt };
    },
    list: (userName) => keysOf(userName).keys,
    setActive(userName, id, active) {
      keyOf(userName, id).key.active = active;
      keyring.setActive(id, active);
    },
    remove(userName, id) {
      const { keys, key } = keyOf(userName, id);
      keys.splice(keys.indexOf(key), 1);
      keyring.setActive(id, false);
    },
  };
}
