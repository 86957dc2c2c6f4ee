import { parseDeploySettings } from '../infra/settings/deploy-settings.ts';
import { envFileOf, readEnvFile } from '../infra/settings/env-file.ts';
import { placeholderSettings } from '../infra/settings/settings.ts';
import { OperatorError } from '../infra/terminal/operator-error.ts';
import { costTable } from './cost/cost-table.ts';
import {
  type CostSettings,
  estimateCosts,
  pricedRegion,
  pricedTypes,
  usualTypes,
} from './cost/estimate-costs.ts';
import { runCommand } from './terminal/run-command.ts';

/**
 * `make cost`: what a deployment costs, for the settings of `.env` or, while there are none, the defaults.
 * `TYPES=t3.xlarge,c7g.medium` asks for other instance types than the usual ones.
 */
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

await runCommand(async (terminal) => {
  const settings = await costSettings();
  const asked = (process.env['TYPES'] ?? '').split(/[\s,]+/).filter(Boolean);
  const known = pricedTypes();
  const unknown = asked.filter((type) => !known.includes(type));
  if (unknown.length > 0) {
    throw new OperatorError(
      `There is no price for ${unknown.join(', ')} in scripts/cost/prices.json.`,
      `It has ${known.join(', ')}; add one with its source.`,
    );
  }
  const types = asked.length > 0 ? asked : [...new Set([...usualTypes(settings), ...usual])];
  for (const line of costTable(estimateCosts(settings, types))) terminal.say(line);
});

/** Only what costs depend on is read, so that a file that is not complete yet is no obstacle. */
async function costSettings(): Promise<CostSettings> {
  const set = await readEnvFile(envFileOf(process.env), process.env);
  return parseDeploySettings({
    ...placeholderSettings,
    AWS_REGION: set['AWS_REGION'] ?? pricedRegion,
    ACCESS_ALLOW: '@example.dev',
    GITHUB_OWNER: 'example',
    GITHUB_APP_SLUG: 'eph',
    ...Object.fromEntries(relevant.map((name) => [name, set[name]])),
  });
}
