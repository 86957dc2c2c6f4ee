import type { EnvironmentState } from '#core/environment';
import { EphError } from '#core/failure';
import type { Handle } from '#core/handle';
import { omit } from '#core/lifecycle';
import { MAX_ADDRESS_MOVES } from '#core/limits';
import { addressesOf, type Run, saveIntent } from './run.ts';

/**
 * Asks the provider until the address is as it should be. The row in memory has the handle of each call, so that
 * what was done is known also when the next one fails; the table has those that a crash must find.
 */
export async function moveAddress(run: Run, to: 'open' | 'none'): Promise<string> {
  const { ports } = run.world;
  const opening = { count: run.row.state.openings, names: addressesOf(run) };
  const notes: string[] = [];
  for (let call = 0; call < MAX_ADDRESS_MOVES; call += 1) {
    const moved = await ports.ingress.move(run.key, run.row.state.ingress, to, opening);
    const state = withIngress(run.row.state, moved.handle);
    if (moved.saveFirst) await saveIntent(run, state);
    else run.row = { ...run.row, state };
    if (moved.note) notes.push(moved.note);
    if (moved.done) return notes.join(' ');
    if (moved.lookAt !== undefined) throw notYet(moved.lookAt - ports.now());
  }
  throw notYet();
}

function notYet(wait = 0): EphError {
  const retryAfter = wait > 0 ? { retryAfter: wait } : {};
  return new EphError('transient', 'address_not_ready', 'The address is not ready yet.', retryAfter);
}

function withIngress(state: EnvironmentState, handle: Handle | undefined): EnvironmentState {
  return handle ? { ...state, ingress: handle } : omit(state, 'ingress');
}
