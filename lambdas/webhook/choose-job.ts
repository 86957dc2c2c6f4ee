import * as v from 'valibot';
import { type InstallationJob, JOB_VERSION, MAX_JOB_REPOSITORIES, type WireJob } from '#core/job';

export type Choice = { job: WireJob } | { ignored: string } | { problem: string };

/** Only the fields that are read: GitHub adds others at any time. */
const id = v.pipe(v.number(), v.integer(), v.minValue(1));
const installation = v.object({ id });
const repository = v.object({ id, name: v.string(), owner: v.object({ login: v.string() }) });
const withAction = v.object({ action: v.string() });
const maybeInstalled = v.object({ installation: v.nullish(installation) });
const pullRequestEvent = v.object({ installation, repository, number: id });
const repositoryEvent = v.object({ installation, repository });
const mergeGroupEvent = v.object({
  installation,
  repository,
  merge_group: v.object({ head_sha: v.string() }),
});
const ids = v.nullish(v.array(v.object({ id })), []);
const createdEvent = v.object({ installation, repositories: ids });
const repositoriesEvent = v.object({ installation, repositories_added: ids, repositories_removed: ids });

const pullRequestActions = [
  'opened',
  'reopened',
  'synchronize',
  'closed',
  'ready_for_review',
  'converted_to_draft',
  'edited',
] as const;
const repositoryActions = ['renamed', 'transferred', 'archived', 'unarchived', 'deleted'] as const;
const installationActions = ['created', 'deleted', 'suspend', 'unsuspend'] as const;

/**
 * What a delivery of GitHub means for Eph: a job, or the reason why there is none. Whether the pull request
 * is deployed (fork, draft, limits) is not decided here: the reconciler asks GitHub for its state at that time.
 *
 * `problem` is a payload that differs from GitHub's documentation. It is an error, because a silent 202 would hide
 * that GitHub changed something.
 */
export function chooseJob(event: string, delivery: string, payload: unknown): Choice {
  switch (event) {
    case 'pull_request':
      return read(withAction, event, payload, ({ action }) => {
        if (!oneOf(pullRequestActions, action)) return nothingToDo(event, action);
        return readInstalled(pullRequestEvent, event, payload, (of) => ({
          job: { ...start('pull_request', delivery), action, ...subject(of), number: of.number },
        }));
      });
    case 'repository':
      return read(withAction, event, payload, ({ action }) => {
        if (!oneOf(repositoryActions, action)) return nothingToDo(event, action);
        return readInstalled(repositoryEvent, event, payload, (of) => ({
          job: { ...start('repository', delivery), action, ...subject(of) },
        }));
      });
    case 'installation':
      return read(withAction, event, payload, ({ action }) => {
        if (!oneOf(installationActions, action)) return nothingToDo(event, action);
        // An App that is installed again is another installation, which no row knows yet.
        return readInstalled(createdEvent, event, payload, (of) =>
          installationJob(delivery, action, of.installation.id, action === 'created' ? of.repositories : []),
        );
      });
    case 'installation_repositories':
      return read(withAction, event, payload, ({ action }) => {
        if (action !== 'added' && action !== 'removed') return nothingToDo(event, action);
        return readInstalled(repositoriesEvent, event, payload, (of) =>
          installationJob(
            delivery,
            `repositories_${action}`,
            of.installation.id,
            action === 'added' ? of.repositories_added : of.repositories_removed,
          ),
        );
      });
    case 'merge_group':
      return read(withAction, event, payload, ({ action }) => {
        if (action !== 'checks_requested') return nothingToDo(event, action);
        return readInstalled(mergeGroupEvent, event, payload, (of) => ({
          job: { ...start('merge_group', delivery), action, ...subject(of), sha: of.merge_group.head_sha },
        }));
      });
    case 'ping':
      return { ignored: 'GitHub asks whether anybody is here' };
    default:
      return { ignored: `${event} is not an event that Eph acts on` };
  }
}

function start<Kind extends WireJob['kind']>(kind: Kind, delivery: string) {
  return { v: JOB_VERSION, kind, delivery } as const;
}

function subject(of: v.InferOutput<typeof repositoryEvent>) {
  return {
    installationId: of.installation.id,
    repository: { id: of.repository.id, owner: of.repository.owner.login, name: of.repository.name },
  };
}

/** If the action names repositories, an empty list leads to no job: a job without any means all of them. */
function installationJob(
  delivery: string,
  action: InstallationJob['action'],
  installationId: number,
  repositories: { id: number }[],
): Choice {
  const named = action === 'created' || action.startsWith('repositories_');
  if (named && repositories.length === 0) return nothingToDo('installation', action);
  const repositoryIds = repositories.slice(0, MAX_JOB_REPOSITORIES).map((repository) => repository.id);
  return { job: { ...start('installation', delivery), action, installationId, repositoryIds } };
}

function nothingToDo(event: string, action: string): Choice {
  return { ignored: `${event}.${action} changes nothing that Eph deploys` };
}

function oneOf<const Known extends readonly string[]>(known: Known, action: string): action is Known[number] {
  return known.includes(action);
}

/** Events of a webhook that was set up by hand, on a repository, have no installation, so Eph could not answer. */
function readInstalled<Schema extends v.GenericSchema>(
  schema: Schema,
  event: string,
  payload: unknown,
  choose: (of: v.InferOutput<Schema>) => Choice,
): Choice {
  return read(maybeInstalled, event, payload, (of) =>
    of.installation
      ? read(schema, event, payload, choose)
      : { ignored: 'the payload names no installation of the GitHub App' },
  );
}

function read<Schema extends v.GenericSchema>(
  schema: Schema,
  event: string,
  payload: unknown,
  choose: (of: v.InferOutput<Schema>) => Choice,
): Choice {
  const parsed = v.safeParse(schema, payload);
  if (parsed.success) return choose(parsed.output);
  const [issue] = parsed.issues;
  const place = v.getDotPath(issue) ?? 'payload';
  return { problem: `The payload of ${event} is not what GitHub documents: ${place}: ${issue.message}` };
}
