import * as v from 'valibot';

/** A secret pasted with a line break makes every signature wrong, and nobody sees why. It is refused, with its name. */
const secret = v.pipe(
  v.string('is not set'),
  v.minLength(1, 'is empty'),
  v.check((value) => value === value.trim(), 'begins or ends with white space: set it again without'),
);
const text = v.pipe(v.string('is not set'), v.minLength(1, 'is empty'));

const shared = {
  GITHUB_WEBHOOK_SECRET: secret,
  /** The secret before the last rotation: deliveries signed with it may still arrive. */
  GITHUB_WEBHOOK_SECRET_PREVIOUS: v.optional(secret),
  VERSION: text,
};
const url = v.pipe(text, v.url('is not a URL'));

/** Access to the queue itself, with the key of an IAM user that may do nothing else. */
const queueSchema = v.object({
  ...shared,
  SQS_QUEUE_URL: url,
  AWS_REGION: text,
  AWS_ACCESS_KEY_ID: secret,
  AWS_SECRET_ACCESS_KEY: secret,
});

/** A key left from the other way would still be valid, and nobody would know that it is in use. */
const absent = v.optional(v.never('is set beside INGRESS_URL: remove one of the two'));

/** Access to a function, for accounts that may have no IAM users. */
const functionSchema = v.object({
  ...shared,
  INGRESS_URL: url,
  SQS_QUEUE_URL: absent,
  AWS_ACCESS_KEY_ID: absent,
  AWS_SECRET_ACCESS_KEY: absent,
});

export type QueueBindings = v.InferOutput<typeof queueSchema>;
/** Exactly one of the two ways to hand over a delivery (INGRESS of the settings). */
export type Bindings = QueueBindings | v.InferOutput<typeof functionSchema>;

export type ParsedBindings = { ok: true; bindings: Bindings } | { ok: false; problem: string };

/** Reports all problems at once, by the variable's name; a value is never repeated. */
export function parseBindings(env: Record<string, unknown>): ParsedBindings {
  const parsed = v.safeParse(env['INGRESS_URL'] === undefined ? queueSchema : functionSchema, env);
  if (parsed.success) return { ok: true, bindings: parsed.output };
  const problems = parsed.issues.map((issue) => {
    const problem = issue.received === 'undefined' ? 'is not set' : issue.message;
    return `${v.getDotPath(issue)} ${problem}`;
  });
  if (env['SQS_QUEUE_URL'] === undefined && env['INGRESS_URL'] === undefined) {
    problems.push('the four of the queue are needed, or INGRESS_URL alone');
  }
  return { ok: false, problem: `The Worker is not set up: ${problems.join('; ')}.` };
}
