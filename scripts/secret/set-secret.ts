import { isVariableName } from '#core/preview-config';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { UsageError } from '../../infra/terminal/usage-error.ts';
import { type FoundRepository, findRepository } from './find-repository.ts';

/** Of a standard parameter. https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html */
const MAX_BYTES = 4096;
/** The deployer reads ten in one call, before each deploy. */
const MAX_SECRETS = 50;
/** Shorter values are words like `true`: removing them would make a log unreadable (`host/log.ts`). */
const SHORTEST_STRUCK_OUT = 6;

/**
 * A secret of an application. Its value is asked for without being shown, or comes from standard input; it is never
 * printed and exists in Parameter Store only.
 *
 * @throws UsageError for a name that no secret can have; OperatorError
 */
export async function setSecret(deployment: Deployment, repositoryName: string, name: string): Promise<void> {
  requireName(name);
  const repository = await findRepository(deployment, repositoryName);
  const { terminal, parameters } = deployment;
  const others = (await namesOf(deployment, repository)).filter((other) => other.name !== name);
  if (others.length >= MAX_SECRETS) {
    throw new OperatorError(
      `${repository.fullName} has ${others.length} secrets, and ${MAX_SECRETS} is the most.`,
      'Put what belongs together into one (a JSON document, 4 KB), or remove one (make secret REMOVE=1).',
    );
  }
  const typed = await terminal.askSecret({
    name: 'SECRET_VALUE',
    text: `Value of ${name} for ${repository.fullName}`,
    check: problemOf,
  });
  const value = withoutLastNewline(typed);
  await parameters.writeSecret(parameterOf(deployment, repository, name), value);
  terminal.mark('done', `${name} is kept for ${repository.fullName}. ${whenItCounts}`);
  if (value.length < SHORTEST_STRUCK_OUT) {
    terminal.mark('warning', `${name} is so short that logs of builds show it where it is printed.`);
  }
}

function requireName(name: string): void {
  if (isVariableName(name)) return;
  throw new UsageError(
    `"${name}" cannot be the name of a secret.`,
    'Letters, digits and "_", not beginning with a digit, at most 128; EPH and EPH_* are set by Eph itself.',
  );
}

const whenItCounts = 'It applies at the next deploy of each pull request (a push); never to forks.';

function problemOf(typed: string): string | undefined {
  const bytes = Buffer.byteLength(withoutLastNewline(typed));
  if (bytes === 0) return 'The value is empty.';
  // https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html: no nesting.
  if (/\{\{.*\}\}/s.test(typed)) return 'Parameter Store takes no value with {{ and }} in it.';
  if (bytes > MAX_BYTES)
    return `The value has ${bytes} bytes; ${MAX_BYTES} is the most that Parameter Store keeps.`;
  return undefined;
}

/** Removes the line end that a file or `echo` adds. */
function withoutLastNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** Lists names, never values. */
export async function listSecrets(deployment: Deployment, repositoryName: string): Promise<void> {
  const { terminal } = deployment;
  const repository = await findRepository(deployment, repositoryName);
  const secrets = await namesOf(deployment, repository);
  if (secrets.length === 0) terminal.print(`${repository.fullName} has no secrets.`);
  const width = Math.max(...secrets.map(({ name }) => name.length));
  for (const { name, changedAt } of secrets) {
    terminal.print(`${name.padEnd(width)}  (${new Date(changedAt).toISOString().slice(0, 10)})`);
  }
}

/** @throws UsageError for a name that no secret can have */
export async function removeSecret(
  deployment: Deployment,
  repositoryName: string,
  name: string,
): Promise<void> {
  requireName(name);
  const repository = await findRepository(deployment, repositoryName);
  const known = await namesOf(deployment, repository);
  if (!known.some((secret) => secret.name === name)) {
    deployment.terminal.mark('skipped', `${repository.fullName} has no secret ${name}.`);
    return;
  }
  await deployment.parameters.remove([parameterOf(deployment, repository, name)]);
  deployment.terminal.mark(
    'done',
    `${name} of ${repository.fullName} is removed. Previews that run keep it until their next deploy.`,
  );
}

function parameterOf({ names }: Deployment, { id }: FoundRepository, name: string): string {
  return `${names.repositorySecrets}/${id}/${name}`;
}

async function namesOf(
  deployment: Deployment,
  repository: FoundRepository,
): Promise<{ name: string; changedAt: number }[]> {
  const prefix = parameterOf(deployment, repository, '');
  const found = await deployment.parameters.list(prefix);
  return found
    .map(({ name, changedAt }) => ({ name: name.slice(prefix.length), changedAt }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
