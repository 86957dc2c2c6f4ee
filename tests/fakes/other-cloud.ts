import type { Compute } from '../../lambdas/providers/compute.ts';
import type { Handle } from '../../lambdas/providers/handle.ts';
import type { Actor } from './create-control-plane.ts';
import type { Wire } from './wire.ts';

/** Where environments run, in place of EC2. Goes by the world's clock, and its messages come by the world's queue. */
export interface OtherCloud extends Actor {
  join(world: { now(): number; newId(): string; push(body: string): void }): void;
  connect(wire: Wire): Compute;
  /** Names of all that exists. */
  units(): string[];
  unitOf(handle: Handle | undefined): string | undefined;
  /** The commit that visitors see. */
  served(handle: Handle | undefined): string | undefined;
}
