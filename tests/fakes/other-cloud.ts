import type { Compute } from '../../lambdas/providers/compute.ts';
import type { Handle } from '../../lambdas/providers/handle.ts';
import type { Actor } from './create-control-plane.ts';
import type { Wire } from './wire.ts';

/** Where environments run, in place of EC2. It uses the platform's clock, and its messages come through the platform's queue. */
export interface OtherCloud extends Actor {
  join(platform: { now(): number; newId(): string; push(body: string): void }): void;
  connect(wire: Wire): Compute;
  /** The names of all units that exist. */
  units(): string[];
  unitOf(handle: Handle | undefined): string | undefined;
  /** The commit that visitors of an environment see. */
  served(handle: Handle | undefined): string | undefined;
}
