import { OperatorError } from '../terminal/operator-error.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';

/**
 * The secrets that the functions read. Three come from `make setup`, since a vendor makes them; the key with which
 * environment names are hashed is made here, once. It is never replaced: every address would change.
 */
export function secretsStep(deployment: Deployment): DeployStep {
  const { parameters, names } = deployment;
  const isClosed = async () => (await parameters.read(names.paused)) === 'closed';
  return {
    title: 'Secrets in Parameter Store',
    async plan() {
      const there = await parameterNamesThere(deployment);
      const sentences: string[] = [];
      if (!there.has(names.nameKey)) {
        sentences.push(`${names.nameKey} is made: the key that names of environments come from.`);
      }
      if (await isClosed())
        sentences.push('Previews are made again: an interrupted make destroy had closed all.');
      return sentences;
    },
    async apply() {
      await requireSecrets(deployment);
      if (await isClosed()) await parameters.write(names.paused, 'no');
      const there = await parameterNamesThere(deployment);
      if (there.has(names.nameKey)) return 'all there';
      const key = Buffer.from(deployment.randomBytes(32)).toString('hex');
      await parameters.writeSecret(names.nameKey, key);
      return 'the key for names was made';
    },
  };
}

/** @throws OperatorError that names every secret of make setup that is missing */
export async function requireSecrets(deployment: Deployment): Promise<void> {
  const { names } = deployment;
  const there = await parameterNamesThere(deployment);
  const needed = {
    [names.githubAppKey]: "the GitHub App's private key",
    [names.webhookSecret]: "the GitHub App's webhook secret",
    [names.cloudflareToken]: 'the Cloudflare token that Eph runs with',
  };
  const missing = Object.entries(needed).filter(([name]) => !there.has(name));
  if (missing.length === 0) return;
  throw new OperatorError(
    `Parameter Store in ${deployment.settings.AWS_REGION} does not have ${missing.map(([name, what]) => `${what} (${name})`).join(', ')}.`,
    'make setup asks for what is missing and stores it there.',
  );
}

/** Lists the names: no secret is read for that. */
async function parameterNamesThere({ parameters, names }: Deployment): Promise<Set<string>> {
  return new Set((await parameters.list(`${names.path}/`)).map(({ name }) => name));
}
