import * as v from 'valibot';

/** Environment variables by name. An empty one counts as not set. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** All values, or one line per problem, by the name of the variable, so that a person fixes a file in one round. */
export type Parsed<Values> = { values: Values } | { problems: string[] };

export function parseEnvironment<const Entries extends v.ObjectEntries>(
  schema: v.ObjectSchema<Entries, undefined>,
  environment: Variables,
): Parsed<v.InferOutput<v.ObjectSchema<Entries, undefined>>> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value));
  const parsed = v.safeParse(schema, given);
  if (parsed.success) return { values: parsed.output };
  const problems = parsed.issues.map((issue) => {
    const name = String(issue.path?.[0]?.key ?? 'settings');
    return given[name] === undefined
      ? `  ${name} is not set`
      : `  ${name} must be a value that ${issue.message}`;
  });
  return { problems };
}
