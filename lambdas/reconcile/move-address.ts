import { omit } from '#core/lifecycle';
import { MAX_ADDRESS_MOVES } from '#core/limits';
import { moveUntilDone } from './move-until-done.ts';
import { addressesOf, type Run } from './run.ts';

export function moveAddress(run: Run, to: 'open' | 'none'): Promise<string> {
  const opening = { count: run.row.state.openings, names: addressesOf(run) };
  return moveUntilDone(run, {
    calls: MAX_ADDRESS_MOVES,
    call: ({ ingress }) => run.deps.ports.ingress.move(run.key, ingress, to, opening),
    keep: (state, { handle }) => (handle ? { ...state, ingress: handle } : omit(state, 'ingress')),
    notDone: { code: 'address_not_ready', sentence: 'The address is not ready yet.' },
  });
}
