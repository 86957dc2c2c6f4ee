/** Filters and pages of the Describe calls, with EC2's rules: values may contain `*` and `?`, all are text. */
import { AwsError } from './aws-error.ts';
import { matchesWildcard } from './iam-conditions.ts';

export interface Filter {
  name: string;
  values: string[];
}

export interface Page {
  maxResults?: number | undefined;
  nextToken?: string | undefined;
}

/**
 * Keeps what matches every filter (any of its values).
 * @param valuesOf the values of a thing under a filter's name; undefined if there is no such filter
 */
export function filtered<Thing>(
  things: readonly Thing[],
  filters: readonly Filter[],
  valuesOf: (thing: Thing, name: string) => string[] | undefined,
): Thing[] {
  return things.filter((thing) =>
    filters.every(({ name, values }) => {
      const actual = valuesOf(thing, name);
      return actual?.some((value) => values.some((pattern) => matchesWildcard(pattern, value)));
    }),
  );
}

/** @throws AwsError for a filter that the call does not have: AWS refuses it too, even if there are no things */
export function checkFilters(filters: readonly Filter[], names: readonly string[]): void {
  for (const { name } of filters) {
    const known = names.includes(name) || (name.startsWith('tag:') && names.includes('tag'));
    if (!known) throw new AwsError('InvalidParameterValue', `The filter '${name}' is invalid`);
  }
}

export function tagValues(tags: Record<string, string>, name: string): string[] | undefined {
  if (name === 'tag-key') return Object.keys(tags);
  if (!name.startsWith('tag:')) return undefined;
  const value = tags[name.slice('tag:'.length)];
  return value === undefined ? [] : [value];
}

/** MaxResults is 5 to 1000 here; a token is only valid for the list that it came from. */
export function paged<Thing>(things: readonly Thing[], page: Page): { things: Thing[]; nextToken?: string } {
  const { maxResults } = page;
  if (maxResults !== undefined && (maxResults < 5 || maxResults > 1000)) {
    throw new AwsError(
      'InvalidParameterValue',
      `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.`,
    );
  }
  const start =
    page.nextToken === undefined ? 0 : Number(Buffer.from(page.nextToken, 'base64url').toString());
  if (!Number.isInteger(start)) throw new AwsError('InvalidNextToken', 'The token is not valid');
  const end = maxResults === undefined ? things.length : start + maxResults;
  const rest = end < things.length ? { nextToken: Buffer.from(String(end)).toString('base64url') } : {};
  return { things: things.slice(start, end), ...rest };
}
