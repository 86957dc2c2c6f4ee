import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Taken before anything is guarded. */
const { setImmediate: nextTurn } = globalThis;

/** Turns of the event loop that are asked for at a time: each costs a poll of the machine, those of one poll do not. */
const TURNS = 32;
let turnsLeft = 0;
let waiting: (() => void) | undefined;

/** When every promise that can go on has gone on: Node lets all of them before it takes the next turn. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    waiting = resolve;
    if (turnsLeft > 0) return;
    turnsLeft = TURNS;
    for (let turn = 0; turn < TURNS; turn += 1) nextTurn(takeTurn);
  });
}

function takeTurn(): void {
  turnsLeft -= 1;
  const resolve = waiting;
  waiting = undefined;
  resolve?.();
}

/**
 * While `work` runs, nothing may read the machine's clock, chance, timers, threads or network: a run that does is
 * not the same the next time. For a thread of its own: nobody else's timers go on meanwhile either.
 */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  const undo = [
    forbid(Date, 'now'),
    forbid(Math, 'random'),
    forbid(globalThis, 'setTimeout'),
    forbid(globalThis, 'setInterval'),
    forbid(globalThis, 'setImmediate'),
    forbid(globalThis, 'fetch'),
    forbid(globalThis.crypto.subtle, 'sign'),
    forbid(globalThis.crypto.subtle, 'digest'),
    forbid(globalThis.crypto, 'randomUUID'),
    forbid(crypto, 'randomUUID'),
    forbid(crypto, 'randomBytes'),
  ];
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    for (const one of undo) one();
    syncBuiltinESMExports();
  }
}

function forbid(owner: object, name: string): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  const value = () => {
    throw new Error(`${name} is not the same in the next run: it must be handed in`);
  };
  Object.defineProperty(owner, name, { configurable: true, writable: true, value });
  return () => {
    if (before) Object.defineProperty(owner, name, before);
    else Reflect.deleteProperty(owner, name);
  };
}
