import type { Pause } from '#core/pause';
import { operatorFrom } from '../../lambdas/adapters/ssm-operator.ts';
import type { Operator } from '../../lambdas/ports.ts';

export interface MemoryOperator extends Operator {
  image: ReturnType<typeof operatorFrom>['image'];
  /** What the operator has written. */
  paused: Pause;
  images: { amd64: string; arm64: string | undefined };
  /** Calls of Parameter Store: the rest was remembered. */
  reads: number;
}

/** The operator's parameters in memory, remembered for as long as the adapter remembers them. */
export function memoryOperator(now: () => number): MemoryOperator {
  const names = { paused: 'paused', image: { amd64: 'amd64', arm64: 'arm64' } };
  const read = async () => {
    operator.reads += 1;
    const { paused, images } = operator;
    return new Map([['paused', paused], ...Object.entries(images).filter(isSet)]);
  };
  const operator: MemoryOperator = {
    ...operatorFrom(read, names, now),
    paused: 'no',
    images: { amd64: 'ami-0e0e0e0e0e0e0e0e0', arm64: undefined },
    reads: 0,
  };
  return operator;
}

function isSet(entry: [string, string | undefined]): entry is [string, string] {
  return entry[1] !== undefined;
}
