import { buildAgent } from '../../host/build-agent.ts';
import { provisionScript } from '../image/provision-script.ts';
import { pinsOf, resolvePins } from '../image/resolve-pins.ts';
import type { Environment } from '../settings/env-file.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Deployment } from './deployment.ts';

/**
 * The settings of the stack that are in no settings file: which Access application guards the previews, which agent
 * new hosts run, and which script makes a stock machine a host. In a plan before Access is set up, zeros stand for
 * the audience; a deploy with them would make functions and hosts that let nobody in.
 *
 * @throws OperatorError for a deploy without Access
 */
export async function stackSettings(deployment: Deployment, intent: 'plan' | 'deploy'): Promise<Environment> {
  const { found, settings } = deployment;
  if (!found.accessAudience && intent === 'deploy') {
    throw new OperatorError(
      `The Access application for *${settings.PREVIEW_SUFFIX} is not there, and the stack must know it.`,
      'make deploy makes it first.',
    );
  }
  found.agent ??= buildAgent();
  const { sha256 } = await found.agent;
  return {
    ACCESS_AUD: found.accessAudience ?? '0'.repeat(64),
    AGENT_SHA256: sha256,
    PROVISION_SHA256: settings.HOST_IMAGE === 'stock' ? await provisionHash(deployment, intent) : undefined,
  };
}

/**
 * A stock machine needs the pins too: without them its installation would stop at the first boot, where nobody sees
 * it.
 */
async function provisionHash(deployment: Deployment, intent: 'plan' | 'deploy'): Promise<string> {
  const pins =
    intent === 'deploy' ? await resolvePins(deployment, () => undefined) : await pinsOf(deployment);
  return (await provisionScript(pins)).sha256;
}
