import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import { functionSettings } from '#settings/function-settings';
import { parseEnvironment, type Variables } from '#settings/parse-environment';
import { previewSuffix } from '#settings/preview-suffix';
import { entriesOf } from '#settings/setting';

/**
 * The configuration of both functions, read once per cold start: the operator's settings, by the rules of the stack,
 * and what only the stack or Lambda itself knows. Secrets are parameter names here; `adapters/ssm-secrets.ts` reads the
 * secrets themselves.
 */
const text = v.string();
const url = v.pipe(text, v.url('is a URL'));

const configSchema = v.object({
  ...entriesOf(functionSettings),
  AWS_REGION: text,
  ENVIRONMENTS_TABLE: text,
  BUILDS_TABLE: text,
  HOSTS_TABLE: text,
  EVENTS_TABLE: text,
  JOB_QUEUE_URL: url,
  DEAD_LETTER_QUEUE_URL: url,
  MAILBOX_BUCKET: text,
  HOST_ROLE_ID: text,
  LAUNCH_TEMPLATE_ID: text,
  LAUNCH_TEMPLATE_VERSION: text,
  /** Subnets of the network that the stack made, or of the one that it was given. */
  SUBNET_IDS: v.pipe(commaList, v.minLength(1, 'names at least one')),
  IMAGE_PARAMETER: text,
  IMAGE_ARM64_PARAMETER: text,
  PAUSED_PARAMETER: text,
  REPOSITORY_SECRETS_PATH: text,
  RING_DOCUMENT: text,
  GITHUB_APP_KEY_PARAMETER: text,
  CLOUDFLARE_TOKEN_PARAMETER: text,
  NAME_KEY_PARAMETER: text,
});

type ParsedConfig = v.InferOutput<typeof configSchema>;
export type Config = Omit<ParsedConfig, 'PREVIEW_SUFFIX'> & { PREVIEW_SUFFIX: string };

/**
 * A setting that the stack did not set has its default: the functions' code may be a moment newer than their
 * environment, and in a deployment of `make lambda-deploy` longer than that.
 *
 * @throws Error that lists all problems at once, so that an operator can fix a deploy in one round
 */
export function loadConfig(environment: Variables): Config {
  const parsed = parseEnvironment(configSchema, environment);
  if ('problems' in parsed) {
    throw new Error(
      `The function's environment is not complete:\n${parsed.problems.join('\n')}\nDeploy again.`,
    );
  }
  const { values } = parsed;
  return { ...values, PREVIEW_SUFFIX: previewSuffix(values.PREVIEW_SUFFIX, values.PREVIEW_ZONE) };
}
