import type { Handle } from './handle.ts';

/**
 * Caches what was read from a handle for as long as the handle exists: every step of a run reads the same handle
 * several times. Handles are never changed, only replaced.
 */
export function readOnce<Answer>(read: (handle: Handle) => Answer): (handle: Handle) => Answer {
  const answers = new WeakMap<Handle, { answer: Answer }>();
  return (handle) => {
    const known = answers.get(handle);
    if (known) return known.answer;
    const answer = read(handle);
    answers.set(handle, { answer });
    return answer;
  };
}
