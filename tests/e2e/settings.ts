import * as v from 'valibot';

/**
 * The end-to-end test knows a deployment by these variables and nothing else, so the same test runs against
 * the local platform (where make fills them) and a real one.
 */
const settingsSchema = v.object({
  /** `owner/name` of a repository that the App is installed on and the token may push to. */
  TEST_GITHUB_REPO: v.pipe(v.string(), v.regex(/^[^/\s]+\/[^/\s]+$/)),
  TEST_GITHUB_TOKEN: v.pipe(v.string(), v.minLength(1)),
  TEST_GITHUB_API_URL: v.optional(v.pipe(v.string(), v.url()), 'https://api.github.com'),
  /** Access service token; one that the previews' policy lets in. */
  CF_SERVICE_TOKEN_ID: v.pipe(v.string(), v.minLength(1)),
  CF_SERVICE_TOKEN_SECRET: v.pipe(v.string(), v.minLength(1)),
});

export type E2eSettings = v.InferOutput<typeof settingsSchema>;

export function readSettings(environment: Record<string, string | undefined>): E2eSettings {
  const parsed = v.safeParse(settingsSchema, environment);
  if (parsed.success) return parsed.output;
  const names = parsed.issues.map((issue) => v.getDotPath(issue) ?? '?').join(', ');
  throw new Error(
    `The end-to-end test needs these environment variables: ${names}. Against the local platform: start \`make local\`, then \`make test-e2e\` in another terminal.`,
  );
}
