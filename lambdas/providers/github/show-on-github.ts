import { EphError } from '#core/failure';
import type { Summary } from '#core/summary';
import type { RepositoryRef } from '../../ports.ts';
import type { Showing, Shown } from '../forge.ts';
import { markedKey } from '../marked-key.ts';
import { bounded, digest, type GithubTold, handleOf, statusInDoubt } from './github-told.ts';
import { endsOthers, type GithubView, type Part, partDue, viewOf } from './github-view.ts';
import type { DeploymentStatusToSet, GithubWire, StatusToSet } from './github-wire.ts';
import { plainer } from './plainer.ts';

export const GITHUB_ENVIRONMENT = 'preview';
/** Far below GitHub's 65,536 and 140. */
const MAX_PLAINER_COMMENT = 8_000;
const MAX_PLAINER_DESCRIPTION = 100;

export interface Telling extends Showing {
  wire: GithubWire;
  deploymentId: string;
  now(): number;
  ref: RepositoryRef;
  summary: NumberedSummary;
  told: GithubTold;
}

export type NumberedSummary = Summary & { number: number };

type Deployment = NonNullable<GithubTold['deployment']>;
type Next = Pick<Shown, 'saveFirst' | 'retell'> & { told: GithubTold };

/**
 * Comment, commit status and deployment, each only when it differs from what was told last, one effect a call. What
 * GitHub refuses for good (repository archived, a permission that is missing) counts as told: there is nobody to tell.
 *
 * GitHub has no client token: the beginning of a comment and of a deployment is saved first, and after a crash they
 * are looked for.
 */
export async function showOnGithub(telling: Telling): Promise<Shown> {
  const { summary, deploymentId } = telling;
  const view = viewOf(summary, telling.told, deploymentId);
  const begun = beginComment(telling.told, view);
  const part = partDue(summary, begun, view);
  if (!part) return { handle: handleOf(telling.told), done: true, note: '' };
  const isBegun = begun === telling.told;
  // One save for both beginnings.
  const next = isBegun
    ? said(await tell(telling, view, part), telling)
    : beginDeployment(begun, summary, view);
  const left = partDue(summary, next.told, viewOf(summary, next.told, deploymentId));
  const { told, ...rest } = next;
  return {
    ...rest,
    handle: handleOf(told),
    done: !rest.saveFirst && left === undefined,
    note: isBegun ? part : 'begun',
  };
}

/** What was told just now is held against what people see by the next check. */
function said({ told, ...rest }: Next, { now }: Telling): Next {
  const { checked: _before, ...unchecked } = told;
  return { ...rest, told: { ...unchecked, at: now() } };
}

function tell(telling: Telling, view: GithubView, part: Part): Promise<Next> {
  switch (part) {
    case 'deployment':
      return tellDeployment(telling, view);
    case 'comment':
      return tellComment(telling, view);
    case 'status':
      return tellStatus(telling, view);
  }
}

/** A comment whose answer was lost is kept true, also when nothing else would begin one. */
function beginComment(told: GithubTold, { comment }: GithubView): GithubTold {
  if (comment === undefined || told.comment) return told;
  return { ...told, comment: { id: 0, digest: '' } };
}

function beginDeployment(told: GithubTold, summary: Summary, view: GithubView): Next {
  const { deployment } = told;
  const isNew = view.deployment.state !== 'inactive' && deployment?.sha !== summary.deployed;
  // One whose making was begun is looked for before another takes its place.
  const isInDoubt = deployment?.id === 0 && deployment.state !== 'inactive';
  return {
    saveFirst: true,
    told: withStatusBegun(
      isNew && !isInDoubt ? { ...told, deployment: intentOf(deployment, summary.deployed) } : told,
      summary,
    ),
  };
}

/** The status of a new commit is told right after its deployment: that it may have been is saved with that. */
function withStatusBegun(told: GithubTold, { tone, commit }: Summary): GithubTold {
  return tone === 'over' || told.status?.sha === commit ? told : { ...told, status: statusInDoubt };
}

function intentOf(before: Deployment | undefined, sha: string): Deployment {
  const isActive = before !== undefined && before.id !== 0 && before.state !== 'inactive';
  const { refused = [], replaces: earlier = [] } = before ?? {};
  const replaces = bounded([...refused, ...earlier, ...(isActive ? [before.id] : [])]);
  return { id: 0, sha, state: 'pending', begun: true, replaces };
}

async function tellComment(telling: Telling, view: GithubView): Promise<Next> {
  const { wire, ref, summary, told } = telling;
  const { comment: body = '', marker } = view;
  const known = told.comment?.id ?? 0;
  const { shown: _shown, others: [other, ...others] = [], ...before } = told.comment ?? {};
  if (other !== undefined) {
    const comment = { id: known, digest: '', ...before, ...(others.length > 0 ? { others } : {}) };
    const without: Next = { told: { ...told, comment } };
    return orNobody(telling, without, async () => {
      await wire.deleteComment(ref, other);
      return without;
    });
  }
  const toldNow = (id: number, now?: string): Next => ({
    told: {
      ...told,
      comment: { ...before, id, digest: digest(body), ...(now === undefined ? {} : { shown: digest(now) }) },
    },
  });
  const write = (text: string) =>
    wire.upsertComment(ref, summary.number, {
      commentId: known || undefined,
      marker,
      body: text,
      // One that a person deleted does not come back to say that all is over.
      mayCreate: known === 0 || summary.wanted,
    });
  return orNobody(telling, toldNow(known), async () => {
    const { id, body: now } = await orPlainer(write, body, MAX_PLAINER_COMMENT);
    return toldNow(id, now);
  });
}

async function tellStatus(telling: Telling, { status }: GithubView): Promise<Next> {
  const { wire, ref, summary, told } = telling;
  if (!status) return { told };
  const { commit: sha } = summary;
  const toldNow = { ...told, status: { sha, digest: digest(status), state: status.state } };
  return orNobody(telling, { told: toldNow }, async () => {
    if (summary.tone === 'over' && told.status?.sha === '') {
      const now = await wire.readStatus(ref, sha);
      const seen = now && { state: now.state, shown: digest(now) };
      // What is said of it late is found by the next check.
      if (isEnded(now, summary)) return { told: { ...toldNow, status: { ...toldNow.status, ...seen } } };
    }
    const write = (description: string) => wire.setStatus(ref, sha, { ...status, description });
    const shown = digest(await orPlainer(write, status.description, MAX_PLAINER_DESCRIPTION));
    const withShown = { ...toldNow, status: { ...toldNow.status, shown } };
    return { told: withShown, ...(summary.wanted ? {} : { retell: await othersOf(telling, sha) }) };
  });
}

/** Where no row knows what was told of this commit: it may be nothing, and what failed stays so. */
function isEnded(now: StatusToSet | undefined, { mustAnswer }: Summary): boolean {
  return now ? now.state === 'failure' : !mustAnswer;
}

/** A commit has one status of ours: the other pull requests that it is the head of say theirs again. */
async function othersOf({ wire, ref, summary }: Telling, sha: string): Promise<number[]> {
  const numbers = await wire.openPullsOf(ref, sha);
  return numbers.filter((number) => number !== summary.number);
}

async function tellDeployment(telling: Telling, { deployment: wanted }: GithubView): Promise<Next> {
  const { ref, wire, summary, told } = telling;
  const { deployment } = told;
  const sha = wanted.state === 'inactive' ? deployment?.sha : summary.deployed;
  const { id = 0, replaces = [], refused = [] } = deployment ?? {};
  // What may not be ended now is remembered: an archived repository may come back.
  const others = endsOthers(wanted) ? { refused: bounded([...refused, ...replaces]) } : { refused, replaces };
  const kept = { id, sha: sha ?? '', state: wanted.state, ...others };
  return orNobody(telling, { told: { ...told, deployment: kept } }, async () => {
    const current = await findBegun(telling);
    if (wanted.state !== 'inactive') {
      if (current?.sha !== summary.deployed) {
        const begun = { ...told, deployment: intentOf(current, summary.deployed) };
        return { saveFirst: true, told: withStatusBegun(begun, summary) };
      }
      if (current.id === 0) {
        const made = await wire.createDeployment(ref, current.sha, GITHUB_ENVIRONMENT, markOf(telling));
        return { told: { ...told, deployment: { ...current, id: made.id } } };
      }
    }
    if (!current) return { told };
    return { told: { ...told, deployment: await say(telling, current, wanted) } };
  });
}

/**
 * Transient deployments are not made inactive by GitHub: those before are ours to end, as soon as this one serves;
 * until then theirs is the link that works.
 */
async function say(
  { wire, ref }: Telling,
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

/** With the id of a deployment whose making was begun by a run that died, or was not answered, if it is there by now. */
async function findBegun(telling: Telling): Promise<Deployment | undefined> {
  const { wire, ref, told, justSaved } = telling;
  const { deployment } = told;
  if (!deployment?.sha || deployment.id !== 0 || justSaved) return deployment;
  const made = await wire.findDeployments(ref, deployment.sha, GITHUB_ENVIRONMENT);
  const found = made.find(({ mark }) => mark === undefined || mark === markOf(telling));
  return found ? { ...deployment, id: found.id } : deployment;
}

/** Several pull requests may have one commit, and several Ephs one repository. GitHub allows 140 characters. */
export function markOf({ deploymentId, summary }: Pick<Telling, 'deploymentId' | 'summary'>): string {
  return `eph:${deploymentId}:${markedKey(summary.environment)}`;
}

/** What GitHub does not take as it is (nobody knows all of its rules) is said again, shorter and plainer. */
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
  { summary, lastTry }: Telling,
  toldAnyway: Next,
  say: () => Promise<Next>,
): Promise<Next> {
  try {
    return await say();
  } catch (error) {
    if (!(error instanceof EphError) || error.kind !== 'permanent') throw error;
    if (lastTry || summary.archived) return toldAnyway;
    // One refusal may be a moment's: it is asked again a few times before it counts as told.
    throw new EphError('transient', error.code, error.sentence, { cause: error });
  }
}
