import { cutText } from '#core/cut-text';
import type { HostFailure } from '../lambdas/providers/ec2/mailbox.ts';
import type { AgentDisk } from './agent-disk.ts';
import type { Compose } from './compose.ts';
import { DeployFailure } from './deploy-failure.ts';
import { explainCommand } from './explain-failure.ts';
import { foldRepeats } from './fold-repeats.ts';
import type { FailedCommand } from './known-errors.ts';
import type { Log } from './log.ts';
import type { CommandResult } from './run-command.ts';

/** One command of docker compose, with its output in the log; its failure becomes a sentence. */
export interface StageDeps {
  compose: Compose;
  disk: AgentDisk;
  log: Log;
}

export interface StageOptions {
  timeoutMs: number;
  /** The images by service, because the error of a registry names no service. */
  images?: Readonly<Record<string, string>>;
}

export type Run = (options: {
  signal: AbortSignal;
  timeoutMs: number;
  onLine: (line: string) => unknown;
}) => Promise<CommandResult>;

export async function runStage(
  stage: FailedCommand['stage'],
  deps: StageDeps,
  signal: AbortSignal,
  { timeoutMs, images }: StageOptions,
  run: Run,
): Promise<void> {
  const onLine = (line: string) => isProgress(line) || deps.log.line(line);
  const result = await run({ signal, timeoutMs, onLine });
  signal.throwIfAborted();
  if (result.ended === 'exited' && result.code === 0) return;
  const timedOut = result.ended === 'timed-out' ? { timedOutAfterMs: timeoutMs } : {};
  const failure = explainCommand({
    stage,
    output: `${result.stdout}\n${result.stderr}`,
    root: stage === 'starting' ? deps.disk.app : deps.disk.source,
    ...timedOut,
    ...(images ? { images } : {}),
  });
  throw new DeployFailure(await withContainerLog(failure, stage, deps));
}

/**
 * Docker reports each layer's progress many times a second, also without a terminal. The last lines of the log, which
 * are all that people read, would contain nothing else.
 */
function isProgress(line: string): boolean {
  return (
    /^ ?[0-9a-f]{12} (?:Downloading|Extracting|Waiting|Pulling fs layer|Verifying Checksum|Download complete)\b/.test(
      line,
    ) || /^#\d+ (?:sha256:\S+|extracting) .*\d/.test(line)
  );
}

/** `up` only says that a dependency failed; the reason is in that container's own log. */
async function withContainerLog(
  failure: HostFailure,
  stage: FailedCommand['stage'],
  deps: StageDeps,
): Promise<HostFailure> {
  if (stage !== 'starting' || !failure.service) return failure;
  const containers = await deps.compose.containers().catch(() => []);
  const container = containers.find((found) => found.service === failure.service);
  if (!container) return failure;
  const log = foldRepeats(await deps.compose.logs(container.id, 200)).slice(-30);
  const output =
    container.health === 'unhealthy' && container.healthOutput
      ? [`health check: ${cutText(container.healthOutput, 500)}`]
      : [];
  return { ...failure, log: [...log, ...output] };
}

export function failureOf(error: unknown, redact: Log['redact']): HostFailure {
  if (error instanceof DeployFailure) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'agent',
    sentence: `Something went wrong on the preview's machine: ${cutText(redact(message), 500)}. Another push tries again.`,
    log: [],
  };
}
