import * as v from 'valibot';

/** `a, b,c` as people write lists into settings: without the spaces, and without what is empty. */
export const commaList = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  ),
);
