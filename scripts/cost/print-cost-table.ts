import { parseDeploySettings } from '../../infra/settings/deploy-settings.ts';
import { type Environment, envFileOf, readEnvFile } from '../../infra/settings/env-file.ts';
import { placeholderSettings } from '../../infra/settings/settings.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { UsageError } from '../../infra/terminal/usage-error.ts';
import { costTable } from './cost-table.ts';
import { type CostSettings, estimateCosts, pricedRegion, pricedTypes, usualTypes } from './estimate-costs.ts';

const usual = ['t3.small', 't3.medium', 't3.large', 't4g.small', 't4g.medium', 't4g.large'];

/** Settings that costs depend on. */
const relevant = [
  'HOST_IMAGE',
  'ARM64',
  'VOLUME_GB',
  'ALARM_EMAIL',
  'DEFAULT_INSTANCE_TYPES',
  'DEFAULT_INSTANCE_TYPES_ARM64',
];

/**
 * `make cost`: what a deployment costs, for the settings of `.env` or, while there are none, the defaults.
 *
 * @param asked instance types instead of the usual ones
 * @throws UsageError for one that has no price
 */
export async function printCostTable(
  terminal: Terminal,
  environment: Environment,
  asked: readonly string[],
): Promise<void> {
  const settings = await costSettings(environment);
  const known = pricedTypes();
  const unknown = asked.filter((type) => !known.includes(type));
  if (unknown.length > 0) {
    throw new UsageError(
      `There is no price for ${unknown.join(', ')} in scripts/cost/prices.json.`,
      `It has ${known.join(', ')}; add one with its source.`,
    );
  }
  const types = asked.length > 0 ? asked : [...new Set([...usualTypes(settings), ...usual])];
  for (const line of costTable(estimateCosts(settings, types))) terminal.print(line);
}

/** Reads only the settings that costs depend on, so that an incomplete file is no obstacle. */
async function costSettings(environment: Environment): Promise<CostSettings> {
  const set = await readEnvFile(envFileOf(environment), environment);
  return parseDeploySettings({
    ...placeholderSettings,
    AWS_REGION: set['AWS_REGION'] ?? pricedRegion,
    ACCESS_ALLOW: '@example.dev',
    GITHUB_OWNER: 'example',
    GITHUB_APP_SLUG: 'eph',
    ...Object.fromEntries(relevant.map((name) => [name, set[name]])),
  });
}
