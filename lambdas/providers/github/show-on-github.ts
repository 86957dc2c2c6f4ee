import { EphError } from '#core/failure';
import type { Summary } from '#core/summary';
import type { RepositoryRef } from '../../ports.ts';
import type { Showing, Shown } from '../forge.ts';
import { markedKey } from '../marked-key.ts';
import { bounded, digest, type GithubReported, handleOf, statusInDoubt } from './github-reported.ts';
import { endsOthers, type GithubView, type Part, partDue, viewOf } from './github-view.ts';
import type { DeploymentStatusToSet, GithubWire, StatusToSet } from './github-wire.ts';
import { plainer } from './plainer.ts';

export const GITHUB_ENVIRONMENT = 'preview';
/** Far below GitHub's limits of 65,536 and 140. */
const MAX_PLAINER_COMMENT = 8_000;
const MAX_PLAINER_DESCRIPTION = 100;

export interface Reporting extends Showing {
  wire: GithubWire;
  deploymentId: string;
  now(): number;
  ref: RepositoryRef;
  summary: NumberedSummary;
  reported: GithubReported;
}

export type NumberedSummary = Summary & { number: number };

type Deployment = NonNullable<GithubReported['deployment']>;
type Next = Pick<Shown, 'saveFirst' | 'retell'> & { reported: GithubReported };

/**
 * Reports by comment, commit status and deployment, each only if it differs from the last report, with one effect per
 * call. A report that GitHub refuses for good (repository archived, a permission that is missing) counts as made.
 *
 * GitHub has no client token: the beginning of a comment and of a deployment is saved first, and after a crash they
 * are searched for.
 */
export async function showOnGithub(reporting: Reporting): Promise<Shown> {
  const { summary, deploymentId } = reporting;
  const view = viewOf(summary, reporting.reported, deploymentId);
  const begun = beginComment(reporting.reported, view);
  const part = partDue(summary, begun, view);
  if (!part) return { handle: handleOf(reporting.reported), done: true, note: '' };
  const isBegun = begun === reporting.reported;
  // One save is enough for both beginnings.
  const next = isBegun
    ? said(await tell(reporting, view, part), reporting)
    : beginDeployment(begun, summary, view);
  const left = partDue(summary, next.reported, viewOf(summary, next.reported, deploymentId));
  const { reported, ...rest } = next;
  return {
    ...rest,
    handle: handleOf(reported),
    done: !rest.saveFirst && left === undefined,
    note: isBegun ? part : 'begun',
  };
}

/** The next check compares what was just reported with what people see. */
function said({ reported, ...rest }: Next, { now }: Reporting): Next {
  const { checked: _before, ...unchecked } = reported;
  return { ...rest, reported: { ...unchecked, at: now() } };
}

function tell(reporting: Reporting, view: GithubView, part: Part): Promise<Next> {
  switch (part) {
    case 'deployment':
      return reportDeployment(reporting, view);
    case 'comment':
      return reportComment(reporting, view);
    case 'status':
      return reportStatus(reporting, view);
  }
}

/** A comment whose answer was lost is kept correct, even if nothing else would begin one. */
function beginComment(reported: GithubReported, { comment }: GithubView): GithubReported {
  if (comment === undefined || reported.comment) return reported;
  return { ...reported, comment: { id: 0, digest: '' } };
}

function beginDeployment(reported: GithubReported, summary: Summary, view: GithubView): Next {
  const { deployment } = reported;
  const isNew = view.deployment.state !== 'inactive' && deployment?.sha !== summary.deployed;
  // One whose making was begun is searched for before another takes its place.
  const isInDoubt = deployment?.id === 0 && deployment.state !== 'inactive';
  return {
    saveFirst: true,
    reported: withStatusBegun(
      isNew && !isInDoubt ? { ...reported, deployment: intentOf(deployment, summary.deployed) } : reported,
      summary,
    ),
  };
}

/** The status of a new commit is reported right after its deployment: that it may exist is saved with that. */
function withStatusBegun(reported: GithubReported, { tone, commit }: Summary): GithubReported {
  return tone === 'over' || reported.status?.sha === commit
    ? reported
    : { ...reported, status: statusInDoubt };
}

function intentOf(before: Deployment | undefined, sha: string): Deployment {
  const isActive = before !== undefined && before.id !== 0 && before.state !== 'inactive';
  const { refused = [], replaces: earlier = [] } = before ?? {};
  const replaces = bounded([...refused, ...earlier, ...(isActive ? [before.id] : [])]);
  return { id: 0, sha, state: 'pending', begun: true, replaces };
}

async function reportComment(reporting: Reporting, view: GithubView): Promise<Next> {
  const { wire, ref, summary, reported } = reporting;
  const { comment: body = '', marker } = view;
  const known = reported.comment?.id ?? 0;
  const { shown: _shown, others: [other, ...others] = [], ...before } = reported.comment ?? {};
  if (other !== undefined) {
    const comment = { id: known, digest: '', ...before, ...(others.length > 0 ? { others } : {}) };
    const without: Next = { reported: { ...reported, comment } };
    return orNobody(reporting, without, async () => {
      await wire.deleteComment(ref, other);
      return without;
    });
  }
  const reportedNow = (id: number, now?: string): Next => ({
    reported: {
      ...reported,
      comment: { ...before, id, digest: digest(body), ...(now === undefined ? {} : { shown: digest(now) }) },
    },
  });
  const write = (text: string) =>
    wire.upsertComment(ref, summary.number, {
      commentId: known || undefined,
      marker,
      body: text,
      // A comment that a person deleted is not made again only to report the end.
      mayCreate: known === 0 || summary.wanted,
    });
  return orNobody(reporting, reportedNow(known), async () => {
    const { id, body: now } = await orPlainer(write, body, MAX_PLAINER_COMMENT);
    return reportedNow(id, now);
  });
}

async function reportStatus(reporting: Reporting, { status }: GithubView): Promise<Next> {
  const { wire, ref, summary, reported } = reporting;
  if (!status) return { reported };
  const { commit: sha } = summary;
  const reportedNow = { ...reported, status: { sha, digest: digest(status), state: status.state } };
  return orNobody(reporting, { reported: reportedNow }, async () => {
    if (summary.tone === 'over' && reported.status?.sha === '') {
      const now = await wire.readStatus(ref, sha);
      const seen = now && { state: now.state, shown: digest(now) };
      // A call that takes effect late is found by the next check.
      if (isEnded(now, summary))
        return { reported: { ...reportedNow, status: { ...reportedNow.status, ...seen } } };
    }
    const write = (description: string) => wire.setStatus(ref, sha, { ...status, description });
    const shown = digest(await orPlainer(write, status.description, MAX_PLAINER_DESCRIPTION));
    const withShown = { ...reportedNow, status: { ...reportedNow.status, shown } };
    return { reported: withShown, ...(summary.wanted ? {} : { retell: await othersOf(reporting, sha) }) };
  });
}

/** For a commit whose reports no row has: there may be no status, and a failed one stays failed. */
function isEnded(now: StatusToSet | undefined, { mustAnswer }: Summary): boolean {
  return now ? now.state === 'failure' : !mustAnswer;
}

/** A commit has one status of ours: the other pull requests with the same head must report theirs again. */
async function othersOf({ wire, ref, summary }: Reporting, sha: string): Promise<number[]> {
  const numbers = await wire.openPullsOf(ref, sha);
  return numbers.filter((number) => number !== summary.number);
}

async function reportDeployment(reporting: Reporting, { deployment: wanted }: GithubView): Promise<Next> {
  const { ref, wire, summary, reported } = reporting;
  const { deployment } = reported;
  const sha = wanted.state === 'inactive' ? deployment?.sha : summary.deployed;
  const { id = 0, replaces = [], refused = [] } = deployment ?? {};
  // A deployment that may not be ended now is remembered: an archived repository may come back.
  const others = endsOthers(wanted) ? { refused: bounded([...refused, ...replaces]) } : { refused, replaces };
  const kept = { id, sha: sha ?? '', state: wanted.state, ...others };
  return orNobody(reporting, { reported: { ...reported, deployment: kept } }, async () => {
    const current = await findBegun(reporting);
    if (wanted.state !== 'inactive') {
      if (current?.sha !== summary.deployed) {
        const begun = { ...reported, deployment: intentOf(current, summary.deployed) };
        return { saveFirst: true, reported: withStatusBegun(begun, summary) };
      }
      if (current.id === 0) {
        const made = await wire.createDeployment(ref, current.sha, GITHUB_ENVIRONMENT, markOf(reporting));
        return { reported: { ...reported, deployment: { ...current, id: made.id } } };
      }
    }
    if (!current) return { reported };
    return { reported: { ...reported, deployment: await setState(reporting, current, wanted) } };
  });
}

/**
 * GitHub does not make transient deployments inactive: Eph ends the earlier ones as soon as this one serves;
 * until then their link is the one that works.
 */
async function setState(
  { wire, ref }: Reporting,
  current: Deployment,
  wanted: DeploymentStatusToSet,
): Promise<Deployment> {
  const set = (id: number, status: DeploymentStatusToSet) => wire.setDeploymentStatus(ref, id, status);
  const { begun = false, ...known } = current;
  const [oldest, ...others] = current.replaces ?? [];
  if (!begun && current.state === wanted.state && oldest !== undefined) {
    await set(oldest, superseded);
    return { ...current, replaces: others };
  }
  const write = (description: string) => set(current.id, { ...wanted, description });
  if (current.id !== 0) await orPlainer(write, wanted.description, MAX_PLAINER_DESCRIPTION);
  return { ...known, state: wanted.state };
}

const superseded = { state: 'inactive', description: 'Superseded by a newer commit' } as const;

/** With the id of a deployment that was begun by a run that died, or got no answer, if it exists by now. */
async function findBegun(reporting: Reporting): Promise<Deployment | undefined> {
  const { wire, ref, reported, justSaved } = reporting;
  const { deployment } = reported;
  if (!deployment?.sha || deployment.id !== 0 || justSaved) return deployment;
  const made = await wire.findDeployments(ref, deployment.sha, GITHUB_ENVIRONMENT);
  const found = made.find(({ mark }) => mark === undefined || mark === markOf(reporting));
  return found ? { ...deployment, id: found.id } : deployment;
}

/** Several pull requests may have one commit, and several deployments of Eph one repository. At most 140 characters. */
export function markOf({ deploymentId, summary }: Pick<Reporting, 'deploymentId' | 'summary'>): string {
  return `eph:${deploymentId}:${markedKey(summary.environment)}`;
}

/** A text that GitHub refuses (not all of its rules are documented) is sent again, shorter and plainer. */
async function orPlainer<T>(
  write: (text: string) => Promise<T>,
  text: string,
  maxLength: number,
): Promise<T> {
  try {
    return await write(text);
  } catch (error) {
    if (!(error instanceof EphError) || error.code !== 'github_422') throw error;
    return write(plainer(text, maxLength));
  }
}

async function orNobody(
  { summary, lastTry }: Reporting,
  reportedAnyway: Next,
  setState: () => Promise<Next>,
): Promise<Next> {
  try {
    return await setState();
  } catch (error) {
    if (!(error instanceof EphError) || error.kind !== 'permanent') throw error;
    if (lastTry || summary.archived) return reportedAnyway;
    // One refusal may be temporary: the report is retried a few times before it counts as made.
    throw new EphError('transient', error.code, error.sentence, { cause: error });
  }
}
