import type { Pause } from '#core/pause';
import { type OperatorParameters, operatorFrom } from '../../lambdas/operator-from.ts';
import { reading, type Wire } from './wire.ts';

export interface MemoryOperator {
  /** One process, whose calls may go over several wires: it keeps what it read for as long as the adapter does. */
  process(): (wire: Wire) => OperatorParameters;
  /** The setting that the operator has written. */
  paused: Pause;
  images: { amd64: string; arm64: string | undefined };
}

/** The operator's parameters in memory. */
export function memoryOperator(now: () => number): MemoryOperator {
  const names = { paused: 'paused', image: { amd64: 'amd64', arm64: 'arm64' } };
  const values = () => {
    const { paused, images } = operator;
    return new Map([['paused', paused], ...Object.entries(images).filter(isSet)]);
  };
  const operator: MemoryOperator = {
    paused: 'no',
    images: { amd64: 'ami-0e0e0e0e0e0e0e0e0', arm64: undefined },
    process() {
      let wireNow: Wire | undefined;
      const parameters = operatorFrom(
        async () => (wireNow ? wireNow(reading('ssm GetParameters'), values) : values()),
        names,
        now,
      );
      // It begins to read before another call can ask over another wire.
      const over = <T>(wire: Wire, ask: () => Promise<T>): Promise<T> => {
        wireNow = wire;
        return ask();
      };
      return (wire) => ({
        pause: (maxAge) => over(wire, () => parameters.pause(maxAge)),
        image: (arch) => over(wire, () => parameters.image(arch)),
      });
    },
  };
  return operator;
}

function isSet(entry: [string, string | undefined]): entry is [string, string] {
  return entry[1] !== undefined;
}
