/**
 * Every `ensure*` makes its changes through this; in a plan the change is only described. A thing that a described
 * change would make is undefined, and everything that depends on it counts as different.
 */
export interface Changes {
  readonly sentences: readonly string[];
  make<T>(sentence: string, change: () => Promise<T>): Promise<T | undefined>;
}

export function plannedChanges(): Changes {
  const sentences: string[] = [];
  return {
    sentences,
    async make(sentence) {
      sentences.push(sentence);
      return undefined;
    },
  };
}

export function appliedChanges(progress: (detail: string) => void = () => undefined): Changes {
  const sentences: string[] = [];
  return {
    sentences,
    async make(sentence, change) {
      progress(sentence);
      const made = await change();
      sentences.push(sentence);
      return made;
    },
  };
}

/** The sentence at the end of a step. */
export function printedChanges({ sentences }: Changes): string {
  return sentences.length === 0 ? 'already so' : sentences.join(' ');
}
