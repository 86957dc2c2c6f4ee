import { type Instance, paginateDescribeInstances, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { DynamoDBDocumentClient, paginateScan } from '@aws-sdk/lib-dynamodb';
import { tags } from '#core/names';
import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { pullOf } from '../logs/find-environment.ts';
import { setPause } from '../pause/run-pause.ts';
import { environmentsTable } from './environments-table.ts';

/** Longer than the slowest case: a host that is being stopped, with a tunnel that still counts as connected. */
const PATIENCE_MS = 15 * 60_000;
const POLL_MS = 3_000;

/**
 * Previews are taken down by Eph itself, which knows their tunnels, records, comments and deployments: all of them
 * are closed, and this waits until the rows say so. A host that still exists afterwards, or that no function knows
 * any more, is terminated by its tag.
 */
export function environmentsDestroyStep(deployment: Deployment): DestroyStep {
  const { aws, now, terminal } = deployment;

  async function instances(): Promise<Instance[]> {
    const found: Instance[] = [];
    const Filters = [
      { Name: `tag:${tags.deployment}`, Values: [deployment.settings.DEPLOYMENT_ID] },
      { Name: 'instance-state-name', Values: ['pending', 'running', 'stopping', 'stopped', 'shutting-down'] },
    ];
    for await (const page of paginateDescribeInstances({ client: aws.ec2 }, { Filters })) {
      for (const { Instances = [] } of page.Reservations ?? []) found.push(...Instances);
    }
    return found;
  }

  async function livingRows(): Promise<string[]> {
    const TableName = await environmentsTable(deployment);
    if (!TableName) return [];
    const client = DynamoDBDocumentClient.from(aws.dynamodb);
    const living: string[] = [];
    for await (const page of paginateScan({ client }, { TableName })) {
      for (const row of page.Items ?? []) {
        if (isEnvironment(row) && row.state.phase !== 'destroyed') {
          living.push(`${pullOf(row)} (${row.state.phase})`);
        }
      }
    }
    return living;
  }

  async function waitUntilClosed(progress: (detail: string) => void): Promise<void> {
    const until = now() + PATIENCE_MS;
    for (;;) {
      const [rows, hosts] = [await livingRows(), await instances()];
      if (rows.length === 0 && hosts.length === 0) return;
      progress(`${rows.length} previews and ${hosts.length} hosts to go`);
      if (now() > until) {
        terminal.mark(
          'warning',
          `After ${PATIENCE_MS / 60_000} minutes ${rows.length} previews are not closed: ${rows.slice(0, 5).join(', ')}.`,
          'What is left of them is removed by its mark.',
        );
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  return {
    title: 'Previews and their hosts',
    list: async () => [
      ...(await livingRows()),
      ...(await instances()).map(({ InstanceId, State }) => `host ${InstanceId} (${State?.Name})`),
    ],
    async remove(progress) {
      if ((await closePreviews(deployment)) && (await livingRows()).length > 0)
        await waitUntilClosed(progress);
      const left = (await instances()).flatMap(({ InstanceId }) => InstanceId ?? []);
      if (left.length === 0) return;
      await aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: left }));
      const until = now() + PATIENCE_MS;
      while (now() < until && (await instances()).length > 0) {
        progress(`waiting for ${left.length} hosts to be gone`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      if ((await instances()).length === 0) return;
      throw new OperatorError(
        `After ${PATIENCE_MS / 60_000} minutes EC2 still has hosts of this deployment: ${left.join(', ')}.`,
        'Run the same command again; the stack cannot go while they are in its network.',
      );
    },
  };
}

/**
 * Sets the value that closes every preview, new ones included: without it a pull request that is opened in the
 * meantime would launch a host into a stack that is being deleted.
 *
 * @returns whether the functions act on it; a stack whose functions are broken is taken down without them
 */
export async function closePreviews(deployment: Deployment): Promise<boolean> {
  if (!(await deployment.tools.stack.outputs())) return false;
  try {
    await setPause(deployment, 'closed');
    return true;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    deployment.terminal.mark(
      'warning',
      `Eph itself does not close its previews: ${error.message}`,
      'They are removed by their mark; their comments stay as they are.',
    );
    return false;
  }
}

interface Row {
  key: string;
  source: { owner: string; name: string };
  state: { phase: string };
}

/** The table has a row for each preview, and a few for lists. */
function isEnvironment(item: unknown): item is Row {
  return typeof item === 'object' && item !== null && 'key' in item && 'source' in item && 'state' in item;
}
