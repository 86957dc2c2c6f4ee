import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** The original, taken before anything is guarded. */
const { setImmediate: nextTurn } = globalThis;

/** Turns of the event loop that are requested together, because each poll of the machine costs time. */
const TURNS = 32;
let turnsLeft = 0;
let waiting: (() => void) | undefined;

/** Resolves when every promise that can go on has gone on, which Node does before it takes the next turn. */
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
 * While `work` runs, nothing may read the machine's clock, random numbers, timers, threads or network, because such a
 * run could not be repeated. It needs a thread of its own, because all other timers stop meanwhile too.
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
