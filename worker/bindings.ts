import * as v from 'valibot';

/** A secret pasted with a line break signs everything wrongly, and nobody sees why: refused by name. */
const secret = v.pipe(
  v.string('is not set'),
  v.minLength(1, 'is empty'),
  v.check((value) => value === value.trim(), 'begins or ends with white space: set it again without'),
);
const text = v.pipe(v.string('is not set'), v.minLength(1, 'is empty'));

const bindingsSchema = v.object({
  SQS_QUEUE_URL: v.pipe(text, v.url('is not a URL')),
  AWS_REGION: text,
  AWS_ACCESS_KEY_ID: secret,
  AWS_SECRET_ACCESS_KEY: secret,
  GITHUB_WEBHOOK_SECRET: secret,
  /** The secret before the last rotation: deliveries signed with it are still on their way. */
  GITHUB_WEBHOOK_SECRET_PREVIOUS: v.optional(secret),
  VERSION: text,
});
export type Bindings = v.InferOutput<typeof bindingsSchema>;

export type ParsedBindings = { ok: true; bindings: Bindings } | { ok: false; problem: string };

/** All problems at once, by the variable's name; a value is never repeated. */
export function parseBindings(env: unknown): ParsedBindings {
  const parsed = v.safeParse(bindingsSchema, env);
  if (parsed.success) return { ok: true, bindings: parsed.output };
  const problems = parsed.issues.map((issue) => `${v.getDotPath(issue)} ${issue.message}`);
  return { ok: false, problem: `The Worker is not set up: ${problems.join('; ')}.` };
}
