import * as v from 'valibot';

/** Reads a list as people write it into settings (`a, b,c`), without the spaces and the empty items. */
export const commaList = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  ),
);
