import { appliedChanges, type Changes, plannedChanges, printedChanges } from '../cloudflare/changes.ts';
import type { DeployStep } from './deploy-step.ts';

/** A step of `ensure*` calls: `plan` only describes their changes, `apply` makes them. */
export function changesStep(step: {
  title: string;
  ensure(changes: Changes): Promise<unknown>;
  /** Called after `apply`; returns text to add to what was done. */
  afterwards?(changes: Changes, progress: (detail: string) => void): Promise<string>;
}): DeployStep {
  return {
    title: step.title,
    async plan() {
      const changes = plannedChanges();
      await step.ensure(changes);
      return changes.sentences;
    },
    async apply(progress) {
      const changes = appliedChanges(progress);
      await step.ensure(changes);
      return `${printedChanges(changes)}${(await step.afterwards?.(changes, progress)) ?? ''}`;
    },
  };
}
