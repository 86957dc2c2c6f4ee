import { rmSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeStacksCommand, type Stack } from '@aws-sdk/client-cloudformation';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import * as v from 'valibot';
import type { DeploySettings } from '../settings/deploy-settings.ts';
import type { Environment } from '../settings/env-file.ts';
import { stackName } from '../settings/settings.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { AwsClients } from './aws-clients.ts';
import type { StackOutputs, StackTool } from './deploy-tools.ts';
import { readOutputs } from './read-outputs.ts';
import { runProgram } from './run-program.ts';
import { refuseState } from './stack-states.ts';

/**
 * CDK's own program, which synthesises `infra/`, uploads the functions' bundles and lets CloudFormation work.
 *
 * - The stack is synthesised once for the same settings; plan and deploy then read the same folder.
 * - `diff` compares templates and makes no change set: a plan must leave nothing behind, and the change set of
 *   a stack that is not there yet is a stack.
 * - CloudFormation lets one update of a stack run at a time, which is the lock between two deploys.
 * - An interrupted `cdk deploy` only stops watching; CloudFormation goes on or rolls back by itself.
 */
const script = 'node_modules/aws-cdk/bin/cdk';
const quiet = ['--no-notices', '--no-color'];

export function cdkStack(
  settings: Pick<DeploySettings, 'DEPLOYMENT_ID' | 'AWS_REGION'>,
  environment: Environment,
  aws: AwsClients,
): StackTool {
  const name = stackName(settings.DEPLOYMENT_ID);
  const assemblies = new Map<string, Promise<string>>();

  const cdk = (args: string[], found: Environment, onLine?: (line: string) => void, accepted?: number[]) =>
    runProgram({
      name: `cdk ${args[0]}`,
      program: { script },
      args: [...args, ...quiet],
      // The region of the settings, in case the profile has another one.
      environment: { ...environment, ...found, AWS_REGION: settings.AWS_REGION, CI: 'true' },
      ...(onLine && { onLine }),
      ...(accepted && { accepted }),
    });

  /**
   * Synthesises into a folder per set of settings. It is removed when this process ends, since it is only a copy of
   * the sources.
   */
  function synthesise(found: Environment): Promise<string> {
    const key = JSON.stringify(found);
    const made =
      assemblies.get(key) ??
      (async () => {
        const folder = await mkdtemp(join(tmpdir(), 'eph-cdk-'));
        process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
        await cdk(['synth', '--quiet', '--output', folder], found);
        return folder;
      })();
    assemblies.set(key, made);
    return made;
  }

  async function describe(StackName: string): Promise<Stack | undefined> {
    try {
      const { Stacks } = await aws.cloudformation.send(new DescribeStacksCommand({ StackName }));
      return Stacks?.[0];
    } catch (error) {
      // https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html gives no error name
      // for this.
      if (error instanceof Error && /does not exist/.test(error.message)) return undefined;
      throw error;
    }
  }

  async function bootstrap(progress: (line: string) => void): Promise<void> {
    if (await describe('CDKToolkit')) return;
    progress('preparing the account for CDK (once per account and region)');
    const { Account } = await aws.sts.send(new GetCallerIdentityCommand({}));
    await cdk(['bootstrap', `aws://${Account}/${settings.AWS_REGION}`], {}, (line) => progress(short(line)));
  }

  return {
    async diff(found) {
      const stack = await describe(name);
      if (stack) refuseState(stack, settings.AWS_REGION);
      const folder = await synthesise(found);
      const { code, lines } = await cdk(
        ['diff', name, '--app', folder, '--method=template', '--fail'],
        found,
        undefined,
        [1],
      );
      if (code === 0) return [];
      const changes = lines.map((line) => line.trim()).filter((line) => /^\[[-+~]\]/.test(line));
      return changes.length > 0 ? changes : failureOf(lines);
    },
    async deploy(found, progress) {
      const stack = await describe(name);
      if (stack) refuseState(stack, settings.AWS_REGION);
      await bootstrap(progress);
      progress('synthesising the template');
      const folder = await synthesise(found);
      const outputsFile = join(folder, 'outputs.json');
      await cdk(
        [
          'deploy',
          name,
          '--app',
          folder,
          '--require-approval=never',
          '--progress=events',
          '--outputs-file',
          outputsFile,
        ],
        found,
        (line) => progress(short(line)),
      );
      const written: unknown = JSON.parse(await readFile(outputsFile, 'utf8'));
      return readOutputs(v.parse(v.record(v.string(), v.unknown()), written)[name]);
    },
    async outputs(): Promise<StackOutputs | undefined> {
      const stack = await describe(name);
      if (!stack?.Outputs?.length) return undefined;
      const pairs = stack.Outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]);
      return readOutputs(Object.fromEntries(pairs));
    },
    state: async () => (await describe(name))?.StackStatus,
    async destroy(progress) {
      const stack = await describe(name);
      if (!stack) return;
      refuseState(stack, settings.AWS_REGION, 'destroy');
      // The template of what is destroyed does not matter, but CDK reads one to know the stack's name.
      const found = { ACCESS_AUD: '0'.repeat(64), AGENT_SHA256: '0'.repeat(64) };
      const folder = await synthesise(found);
      await cdk(['destroy', name, '--app', folder, '--force'], found, (line) => progress(short(line)));
    },
  };
}

/** `eph-x | 3/45 | 10:00:00 | CREATE_COMPLETE | AWS::SQS::Queue | JobQueue/Jobs (JobQueue...)` */
function short(line: string): string {
  const [, count, , state, type, resource] = line.split('|').map((part) => part.trim());
  if (!count || !state || !resource) return line.trim();
  return `${count} ${state.toLowerCase().replaceAll('_', ' ')} ${type} ${resource.replace(/ \(.*/, '')}`;
}

/** The lines of an error: with `--fail`, a difference and an error have the same exit code. */
function failureOf(lines: readonly string[]): string[] {
  if (lines.some((line) => /difference/i.test(line)))
    return ['The template changed in its parameters or outputs.'];
  throw new OperatorError(
    `cdk diff failed:\n${lines
      .slice(-8)
      .map((line) => `    ${line}`)
      .join('\n')}`,
  );
}
