import type { Handle } from './handle.ts';

/**
 * What was read of a handle, kept for as long as the handle is: every step of a run asks several times what the same
 * one says. Handles are never changed, only replaced.
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
