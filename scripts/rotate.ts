import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { OperatorError } from '../infra/terminal/operator-error.ts';
import { refuseOtherHome } from './deploy/refuse-other-home.ts';
import { rotateAppKey } from './rotate/app-key.ts';
import { rotateCloudflareToken } from './rotate/cloudflare-token.ts';
import { rotateWebhookSecret } from './rotate/webhook-secret.ts';
import { rotateWorkerKey } from './rotate/worker-key.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make rotate WHAT=...`: a new credential, in use and proven before the old one goes. */
const rotations = {
  'webhook-secret': rotateWebhookSecret,
  'worker-key': rotateWorkerKey,
  'cloudflare-token': rotateCloudflareToken,
  'app-key': rotateAppKey,
};

await runCommand(async (terminal) => {
  const what = process.env['WHAT'] ?? '';
  const rotate = Object.entries(rotations).find(([name]) => name === what)?.[1];
  if (!rotate) {
    const names = Object.keys(rotations).join(', ');
    throw new OperatorError(
      what ? `There is no credential "${what}" to rotate.` : 'Say which credential to rotate.',
      `make rotate WHAT=... with one of ${names}.`,
    );
  }
  const deployment = await openDeployment(terminal);
  await refuseOtherHome(deployment);
  await rotate(deployment);
});
