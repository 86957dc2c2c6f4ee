import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Environment } from '../settings/env-file.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { DeployTools } from './deploy-tools.ts';

type MakeDeployTools = (environment: Environment) => DeployTools;

/**
 * Loads replacements for CDK, Packer and wrangler where these programs cannot reach anything: the settings file of
 * the local platform names the module in DEPLOY_TOOLS. The product contains no stand-in; a platform passes its own.
 *
 * @throws OperatorError when the module is not there or makes no tools
 */
export async function loadDeployTools(module: string, environment: Environment): Promise<DeployTools> {
  const loaded: unknown = await import(pathToFileURL(resolve(module)).href).catch((cause: unknown) => {
    throw new OperatorError(
      `DEPLOY_TOOLS names ${module}, which cannot be loaded.`,
      'Only the settings file that the local platform writes sets it; remove it from others.',
      { cause },
    );
  });
  if (makesTools(loaded)) return loaded.deployTools(environment);
  throw new OperatorError(
    `DEPLOY_TOOLS names ${module}, which has no function deployTools.`,
    'Only the settings file that the local platform writes sets it; remove it from others.',
  );
}

function makesTools(loaded: unknown): loaded is { deployTools: MakeDeployTools } {
  return (
    typeof loaded === 'object' &&
    loaded !== null &&
    'deployTools' in loaded &&
    typeof loaded.deployTools === 'function'
  );
}
