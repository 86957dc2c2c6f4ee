import { GetParametersCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { PAUSE_MAX_AGE } from '#core/limits';
import { parsePause } from '#core/pause';
import type { Arch } from '#core/preview-config';
import type { Operator } from '../ports.ts';
import { withAwsErrors } from './aws-errors.ts';

export interface OperatorNames {
  paused: string;
  image: Record<Arch, string>;
}

/** The operator's word, and the images of new hosts: an image may be as old as the word of the same launch. */
export interface OperatorParameters extends Operator {
  /** Undefined: there is none for this architecture. */
  image(arch: Arch): Promise<string | undefined>;
}

/** All of them in one call, since a launch needs all of them. */
export function ssmOperator(client: SSMClient, names: OperatorNames, now: () => number): OperatorParameters {
  const read = async () => {
    const Names = [names.paused, names.image.amd64, names.image.arm64];
    const { Parameters } = await client.send(new GetParametersCommand({ Names }));
    return new Map((Parameters ?? []).map(({ Name, Value }) => [Name ?? '', Value ?? '']));
  };
  return withAwsErrors('SSM Parameter Store', operatorFrom(read, names, now));
}

/** Remembers what was read last. */
export function operatorFrom(
  read: () => Promise<ReadonlyMap<string, string>>,
  names: OperatorNames,
  now: () => number,
): OperatorParameters {
  let last: { at: number; values: ReadonlyMap<string, string> } | undefined;
  const values = async (maxAge: number) => {
    const at = now();
    if (last && maxAge > 0 && at - last.at <= maxAge) return last.values;
    last = { at, values: await read() };
    return last.values;
  };
  return {
    pause: async (maxAge) => parsePause((await values(maxAge)).get(names.paused)),
    image: async (arch) => (await values(PAUSE_MAX_AGE)).get(names.image[arch]) || undefined,
  };
}
