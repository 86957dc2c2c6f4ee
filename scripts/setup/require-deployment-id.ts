import type { Environment } from '../../infra/settings/env-file.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

/** Everything that a part of the setup makes or stores is named after it. @throws OperatorError without it */
export function requireDeploymentId(environment: Environment): string {
  const id = environment['DEPLOYMENT_ID'];
  if (id) return id;
  throw new OperatorError(
    'DEPLOYMENT_ID is not set, and what this makes is named after it.',
    'make setup asks for it first; or set it in the settings file.',
  );
}
