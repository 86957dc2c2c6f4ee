import type { Facts } from '#core/lifecycle';
import { isUnfinished } from '#core/lifecycle';
import type { Described } from '../ports.ts';
import { type Run, refOf } from './run.ts';

export interface Look {
  /** Ask GitHub what the pull request is now (once per message). */
  ask: boolean;
  /** Ask EC2 whether the machine is what the row says (only when a look was due: it costs a call). */
  instance: boolean;
  /** Ask Cloudflare too: the comparison found something missing. */
  edge?: boolean;
  /** Which report is known to be new; otherwise both are read while a build is under way. */
  hint?: 'progress' | 'result' | undefined;
}

/** Gathers, in parallel, the facts that `decide` may need. Reads only. */
export async function observe(run: Run, look: Look): Promise<Facts> {
  const { ports } = run.world;
  const { host, order } = run.row.state;
  const instanceId = host?.instanceId;
  const asking = look.ask && !run.asked;
  const { operator } = ports;
  const early = asking && asksOperatorFirst(run) ? await operator.pause(run.pauseMaxAge) : undefined;
  const askGitHub = asking && early !== 'closed';
  if (asking && !askGitHub) run.asked = true;
  const readReports =
    instanceId !== undefined && isUnfinished(order) && (askGitHub || look.hint !== undefined);

  const [pull, described, reports, edge] = await Promise.all([
    askGitHub ? ports.pullRequests.read(refOf(run.row), run.row.repositoryId, run.row.number) : undefined,
    look.instance && instanceId ? ports.machines.describe(instanceId) : undefined,
    readReports ? readMailbox(run, instanceId, look.hint) : undefined,
    look.edge ? lookAtEdge(run) : undefined,
  ]);
  if (pull) {
    run.asked = true;
    run.lastPull =
      pull.kind === 'absent'
        ? { ...pull, announced: run.cause.gone === true, deleted: run.cause.deleted === true }
        : pull;
  }
  const fact = run.lastPull ?? { kind: 'unasked' };
  // What is closed goes away whatever the operator says.
  const open = pull?.kind === 'known' && pull.pull.state === 'open';
  const pause = early ?? (open ? await operator.pause(run.pauseMaxAge) : undefined);
  // Closing needs no report, so it does not wait for S3.
  const closed = fact.kind === 'known' && fact.pull.state === 'closed';
  if (reports?.failure && !closed) throw reports.failure;
  return {
    pause,
    pull: fact,
    instance: instanceFact(look.instance && instanceId !== undefined, described),
    progress: reports?.progress,
    result: reports?.result,
    edge,
  };
}

/** Being taken down needs nobody's opinion of the pull request, and goes on when GitHub does not answer. */
function asksOperatorFirst({ pauseMaxAge, row }: Run): boolean {
  return pauseMaxAge === 0 || row.state.paused === 'closed';
}

interface Reports {
  progress?: Facts['progress'];
  result?: Facts['result'];
  failure?: unknown;
}

async function readMailbox(run: Run, instanceId: string, hint: Look['hint']): Promise<Reports> {
  const { mailbox } = run.world.ports;
  try {
    const [progress, result] = await Promise.all([
      hint === 'result' ? undefined : mailbox.progress(instanceId),
      hint === 'progress' ? undefined : mailbox.result(instanceId),
    ]);
    return { progress, result };
  } catch (failure) {
    return { failure };
  }
}

async function lookAtEdge(run: Run): Promise<Facts['edge']> {
  const { tunnels } = run.world.ports;
  const [allTunnels, allRecords] = await Promise.all([tunnels.listTunnels(), tunnels.listRecords()]);
  const mine = ({ environment }: { environment: string }) => environment === run.key;
  return {
    tunnelIds: allTunnels.filter(mine).map(({ id }) => id),
    recordIds: allRecords.filter(mine).map(({ id }) => id),
  };
}

function instanceFact(asked: boolean, described: Described | undefined): Facts['instance'] {
  if (!asked) return { kind: 'unasked' };
  return described ? { kind: 'found', ...described } : { kind: 'absent' };
}
