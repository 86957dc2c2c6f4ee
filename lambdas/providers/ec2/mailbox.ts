import * as v from 'valibot';
import { byteLength, cutText } from '#core/cut-text';
import {
  MAX_CODE_BYTES,
  MAX_HOSTNAME_BYTES,
  MAX_LOG_BYTES,
  MAX_LOG_LINE_BYTES,
  MAX_LOG_LINES,
  MAX_PATH_BYTES,
  MAX_PUBLIC_SERVICES,
  MAX_SENTENCE_BYTES,
  MAX_SERVICE_NAME_BYTES,
  MAX_WAITING_BYTES,
  MAX_WARNING_BYTES,
  MAX_WARNINGS,
} from '#core/limits';
import { previewConfigSchema } from '#core/preview-config';
import { deployStages } from '#core/report';

/**
 * The mailbox is one S3 prefix per host, `hosts/<role id>:<instance id>/`, the only thing that a host may read or
 * write. The control plane writes `next.json` (a `MailboxSpec`); the host writes the reports and `log.txt`.
 *
 * Gotchas
 * - The instance id in a report's key shows to which environment it belongs, never its body: a
 *   host runs somebody's code and may claim anything.
 * - A body is read only up to MAX_REPORT_BYTES. Its content goes into the row, so every text and list of a report has a
 *   bound (`core/limits.ts`). A longer one is cut, not refused: after a refused report the host would be unresponsive
 *   until the deadline, and an agent of the previous version knew no such bounds. The agent writes its reports
 *   through these same schemas. Numbers that DynamoDB cannot keep are refused.
 * - `generation` counts what the control plane wants deployed; a host runs each generation once, and ignores a
 *   deployment spec that is older than one it has taken.
 *   `revision` counts how often one generation was written (a new archive address), which is not a new deploy.
 * - Only `progress.json` and `result.json` cause notifications; each costs about six calls. So the host writes
 *   progress only when the control plane must act on it (the public services are known or differ, or something is
 *   needed), and when people have waited for 30 s: then at most once a minute, and only with what was not reported yet.
 *   It does not report every stage. `log.txt` and `last-use.json` are read only on demand.
 */
export const MAILBOX_VERSION = 1;
export const MAX_REPORT_BYTES = 256 * 1024;

export const mailboxFiles = {
  spec: 'next.json',
  progress: 'progress.json',
  result: 'result.json',
  lastUse: 'last-use.json',
  log: 'log.txt',
} as const;

export function mailboxPrefix(hostRoleId: string, instanceId: string): string {
  return `hosts/${hostRoleId}:${instanceId}/`;
}

const mailboxKeyPattern = /^hosts\/[A-Z0-9]+:(i-[0-9a-f]+)\/([a-z-]+\.(?:json|txt))$/;

/** The host that wrote an object, and which of its files it is; undefined for any other key. */
export function parseMailboxKey(key: string): { instanceId: string; file: string } | undefined {
  const match = mailboxKeyPattern.exec(key);
  const [, instanceId, file] = match ?? [];
  return instanceId && file ? { instanceId, file } : undefined;
}

const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const millis = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const sha = v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/));

const archiveSource = v.object({
  kind: v.literal('archive'),
  sha,
  /** The forge's temporary address of the tarball (minutes). If it has expired, the host asks again with `needs`. */
  url: v.pipe(v.string(), v.url()),
});

const gitSource = v.object({
  kind: v.literal('git'),
  sha,
  url: v.pipe(v.string(), v.url()),
  /** Read-only, for one repository and one hour. It is passed to git as a header, never written to `.git/config`. */
  token: v.string(),
});

export const mailboxSpecSchema = v.object({
  v: v.literal(MAILBOX_VERSION),
  generation: positive,
  revision: positive,
  /** The delivery that caused it: the host's log contains it, for `make trace`. */
  delivery: v.string(),
  environment: v.string(),
  repository: v.object({ owner: v.string(), name: v.string() }),
  /** Missing for an environment that is not of a pull request. */
  number: v.optional(positive),
  branch: v.string(),
  source: v.variant('kind', [archiveSource, gitSource]),
  /** `eph.yaml` at that commit, parsed by the control plane; the defaults if there is none. */
  config: previewConfigSchema,
  /** Main hostname, `<name><suffix>`; further services have `<service>--<name><suffix>`. */
  hostname: v.string(),
  /** `https://{host}` on a real deployment; the local platform adds its port. */
  urlTemplate: v.string(),
  tunnelToken: v.string(),
  /** Values for the run that must never be logged. */
  secrets: v.record(v.string(), v.string()),
  /** Host network, privileged and docker.sock are refused for forks, and allowed with a warning otherwise. */
  trusted: v.boolean(),
  /** The agent that hosts should run now; a host that was switched on with an older one replaces it. */
  agentSha256: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
  /** Dead man's timer: the host stops itself if the control plane has not contacted it for this long (seconds). */
  idleStopSeconds: positive,
});
export type MailboxSpec = v.InferOutput<typeof mailboxSpecSchema>;

function text(maxBytes: number) {
  return v.pipe(
    v.string(),
    v.transform((written) => cutText(written, maxBytes)),
  );
}

/**
 * `core/report.ts` explains the fields of a report, and each report must fit it.
 *
 * A name or path that had to be cut ends in an ellipsis, so it matches nothing and is ignored.
 */
const publicServiceSchema = v.object({
  name: text(MAX_SERVICE_NAME_BYTES),
  port: v.pipe(positive, v.maxValue(65_535)),
  hostname: text(MAX_HOSTNAME_BYTES),
  path: text(MAX_PATH_BYTES),
  primary: v.boolean(),
  ownHost: v.optional(v.boolean()),
});
export type PublicService = v.InferOutput<typeof publicServiceSchema>;

const services = v.pipe(
  v.array(publicServiceSchema),
  v.transform((all) => all.slice(0, MAX_PUBLIC_SERVICES)),
);
const warnings = v.pipe(
  v.array(text(MAX_WARNING_BYTES)),
  v.transform((all) => all.slice(0, MAX_WARNINGS)),
);

const timings = v.record(v.picklist(deployStages), millis);

const failure = v.object({
  code: text(MAX_CODE_BYTES),
  sentence: text(MAX_SENTENCE_BYTES),
  service: v.optional(text(MAX_SERVICE_NAME_BYTES)),
  log: v.pipe(v.array(text(MAX_LOG_LINE_BYTES)), v.transform(lastLines)),
});
export type HostFailure = v.InferOutput<typeof failure>;

function lastLines(lines: string[]): string[] {
  let room = MAX_LOG_BYTES;
  const newestFirst = lines.slice(-MAX_LOG_LINES).reverse();
  const over = newestFirst.findIndex((line) => {
    room -= byteLength(line) + 1;
    return room < 0;
  });
  return (over < 0 ? newestFirst : newestFirst.slice(0, over)).reverse();
}

export const progressSchema = v.object({
  v: v.literal(MAILBOX_VERSION),
  generation: positive,
  revision: positive,
  at: millis,
  stage: v.picklist(deployStages),
  services,
  warnings,
  timings,
  needs: v.optional(v.picklist(['archive', 'git'])),
  waiting: v.optional(text(MAX_WAITING_BYTES)),
});
export type Progress = v.InferOutput<typeof progressSchema>;

export const resultSchema = v.object({
  v: v.literal(MAILBOX_VERSION),
  generation: positive,
  sha,
  at: millis,
  outcome: v.picklist(['ready', 'failed', 'superseded']),
  failure: v.optional(failure),
  services,
  warnings,
  timings,
  serving: v.optional(v.object({ generation: positive, sha })),
  lost: v.optional(sha),
});
export type Result = v.InferOutput<typeof resultSchema>;

export const lastUseSchema = v.object({ v: v.literal(MAILBOX_VERSION), at: millis, lastUseAt: millis });
export type LastUse = v.InferOutput<typeof lastUseSchema>;
