/**
 * Through this every `ensure*` changes something: in a plan it is only said. What would be made by a change
 * that is only said is undefined, and whatever depends on it counts as different.
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

/** What a step says at its end. */
export function toldChanges({ sentences }: Changes): string {
  return sentences.length === 0 ? 'already so' : sentences.join(' ');
}
