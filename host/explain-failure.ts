import { cutText } from '#core/cut-text';
import type { HostFailure } from '../lambdas/providers/ec2/mailbox.ts';
import type { Container } from './compose.ts';
import { foldRepeats } from './fold-repeats.ts';
import type { FailedWhy } from './judge-containers.ts';
import { type FailedCommand, knownErrors } from './known-errors.ts';
import { largerMachine } from './larger-machine.ts';

/**
 * Turns what docker compose and containers say into a sentence that a developer can act on, with the last
 * lines of the right log. The words themselves are in `known-errors.ts`.
 */
const LOG_LINES = 30;
/** More lines are read than shown, because repeated ones are folded. */
const LOG_LINES_READ = 200;
/**
 * The patterns are tried on the last lines only, each cut to this length. Some patterns need more than one step a
 * character (they look for a word in front of what they know), and a minified file of 200 KB in one line kept the
 * agent busy for 19 s. The reason stands at the end, and at one of the two ends of a long line.
 */
export const PATTERN_LINES = 100;
export const PATTERN_LINE = 1_000;

const doing: Record<FailedCommand['stage'], string> = {
  planning: 'The compose file could not be read',
  pulling: 'The images could not be pulled',
  building: 'The build failed',
  starting: 'The containers could not be started',
};

const late: Record<FailedCommand['stage'], string> = {
  planning: 'Docker compose did not read the file',
  pulling: 'The images were not pulled',
  building: 'The build did not finish',
  starting: 'The containers did not start',
};

export function explainCommand(command: FailedCommand): HostFailure {
  const lines = command.output
    .replaceAll(`${command.root}/`, '')
    .split('\n')
    .filter((line) => !/^time="[^"]*" level=warning/.test(line));
  const log = lastLines(lines);
  const looked = lines.slice(-PATTERN_LINES).map((line) => bothEnds(line.trimEnd()));
  if (command.timedOutAfterMs !== undefined) {
    const minutes = Math.round(command.timedOutAfterMs / 60_000);
    return {
      code: `${command.stage}-timeout`,
      sentence: `${late[command.stage]} within ${minutes} minutes.`,
      log,
    };
  }
  for (const row of knownErrors[command.stage]) {
    const match = firstMatch(row.pattern, looked);
    if (!match) continue;
    const groups = match.slice(1).map((group) => group ?? '');
    const service = row.service === undefined ? buildStep(looked).service : groups[row.service];
    const failure = { code: row.code, sentence: row.sentence(groups, command), log };
    return service ? { ...failure, service } : withImage(failure, looked, command);
  }
  if (command.stage === 'building') return explainBuild(looked, log);
  const last = log.at(-1);
  const sentence = `${doing[command.stage]}${last ? `: ${cutText(last, 1_000)}` : ''}`;
  return withImage({ code: `${command.stage}-failed`, sentence, log }, looked, command);
}

const failedImage = /^[ \t]{0,8}(?:✘ ?)?(?:Image )?(\S{1,300}) Error\b/;

/**
 * An error of a registry names neither image nor service; compose's own lines do: ` web Error ...` (2.26) or
 * ` Image nginx:1 Error ...` (2.40).
 */
function withImage(
  failure: HostFailure,
  lines: readonly string[],
  { stage, images = {} }: FailedCommand,
): HostFailure {
  if (stage !== 'pulling') return failure;
  const pulled = Object.entries(images);
  const [, named] = firstMatch(failedImage, lines) ?? [];
  const only = pulled.length === 1 ? pulled[0] : undefined;
  const [service, image] =
    pulled.find(([name, from]) => name === named || from === named) ??
    pulled.find(([, from]) => failure.sentence.includes(`\`${from}\``)) ??
    only ??
    [];
  if (!service || !image) return failure;
  const which = failure.sentence.includes(`\`${image}\``)
    ? ` \`${service}\` uses it.`
    : ` It was about the image \`${image}\` of \`${service}\`.`;
  return { ...failure, service, sentence: failure.sentence.replace(/\.?$/, '.') + which };
}

function firstMatch(pattern: RegExp, lines: readonly string[]): RegExpExecArray | undefined {
  for (const line of lines) {
    const match = pattern.exec(line);
    if (match) return match;
  }
  return undefined;
}

function bothEnds(line: string): string {
  const half = PATTERN_LINE / 2 - 1;
  return line.length <= PATTERN_LINE ? line : `${line.slice(0, half)}…${line.slice(-half)}`;
}

export const failedStep = /^ > \[(?:([A-Za-z0-9._-]+) )?(?:[A-Za-z0-9._-]+ )*\d+\/\d+\] (.+?):?$/;
const baseImageStep = /^ > \[([A-Za-z0-9._-]+) internal\] load metadata for /;
export const exitCode = /(?:did not complete successfully|executor failed running \[.*\]): exit code: (\d+)/;

/** BuildKit repeats the failed step as ` > [web 3/5] RUN npm ci:` followed by its last lines. */
function buildStep(lines: readonly string[]): { service?: string; step?: string } {
  const [, from] = firstMatch(baseImageStep, lines) ?? [];
  if (from) return { service: from };
  const [, service, step] = firstMatch(failedStep, lines) ?? [];
  return { ...(service && !/^\d/.test(service) ? { service } : {}), ...(step ? { step } : {}) };
}

function explainBuild(lines: readonly string[], log: string[]): HostFailure {
  const { service, step } = buildStep(lines);
  const code = firstMatch(exitCode, lines)?.[1];
  const what = service ? `The build of \`${service}\` failed` : 'The build failed';
  const where = step ? ` at \`${cutText(step, 200)}\`` : '';
  const how =
    code === '137'
      ? `: it ran out of memory. ${largerMachine}`
      : code
        ? ` with exit code ${code}.`
        : lastWords(lines);
  return {
    code: code === '137' ? 'build-out-of-memory' : 'build-failed',
    sentence: what + where + how,
    log: stepLog(lines) ?? log,
    ...(service ? { service } : {}),
  };
}

/** The sentence for a build that ended without a failing command: only BuildKit's own error says why. */
function lastWords(lines: readonly string[]): string {
  const said = lines.findLast((line) => line.startsWith('failed to solve: '))?.replace(wrapping, '');
  return said ? `: ${cutText(said, 500).replace(/\.?$/, '.')}` : '.';
}

const wrapping =
  /^failed to solve: (?:rpc error: code = \w+ desc = )?(?:failed to solve with frontend dockerfile\.v0: )?(?:failed to create LLB definition: )?/;

/** The lines between the two rulers that BuildKit draws around a failed step. */
function stepLog(lines: readonly string[]): string[] | undefined {
  const from = lines.findIndex((line, at) => line === '------' && lines[at + 1]?.startsWith(' > ['));
  if (from < 0) return undefined;
  const until = lines.indexOf('------', from + 1);
  if (until < 0) return undefined;
  const printed = lastLines(lines.slice(from + 2, until).map((line) => line.replace(/^\d+\.\d+ /, '')));
  return printed.length > 0 ? printed : undefined;
}

export function explainContainer(container: Container, why: FailedWhy, log: readonly string[]): HostFailure {
  const name = `\`${container.service}\``;
  const shown = foldRepeats(log).slice(-LOG_LINES);
  const printed = shown.some((line) => line.trim() !== '');
  const lines = printed ? 'Its last lines are below.' : 'It printed nothing.';
  const failure = (code: string, sentence: string): HostFailure => ({
    code,
    sentence,
    service: container.service,
    log: shown,
  });
  switch (why) {
    case 'exited':
      if (container.exitCode === 0)
        return failure(
          'container-exited',
          `${name} ended (code 0) although it is to be opened in a browser. A server must stay in the foreground.`,
        );
      return failure(
        'container-exited',
        `${name} ended with code ${container.exitCode}${exitMeaning(container.exitCode)}. ${lines}`,
      );
    case 'restarting':
      return failure(
        'container-restarting',
        `${name} keeps ending${lastCode(container.exitCode)} and being restarted. ${lines}`,
      );
    case 'out-of-memory':
      return failure(
        'out-of-memory',
        `${name} was killed (code ${container.exitCode}), most likely because it ran out of memory. Raise its memory limit, if it has one. ${largerMachine}`,
      );
    case 'unhealthy':
      return failure(
        'unhealthy',
        `${name} runs, but its health check never passes${container.healthOutput ? `: ${cutText(container.healthOutput, 300)}` : '.'}`,
      );
    case 'not-started':
      return {
        ...explainCommand({ stage: 'starting', output: container.error, root: '/' }),
        service: container.service,
      };
  }
}

/**
 * If the exit code is read after the container was started again, it is 0 whatever the program ended with, so 0 says
 * nothing.
 */
function lastCode(code: number): string {
  return code === 0 ? '' : ` with code ${code}${exitMeaning(code)}`;
}

function exitMeaning(code: number): string {
  if (code === 126) return ' (its command is not executable)';
  if (code === 127) return ' (its command was not found)';
  if (code === 132 || code === 159) return ' (an instruction this machine lacks)';
  if (code === 139) return ' (segmentation fault)';
  if (code === 143) return ' (it was asked to stop)';
  return '';
}

function lastLines(lines: readonly string[]): string[] {
  const read = lines
    .slice(-LOG_LINES_READ)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '');
  return foldRepeats(read).slice(-LOG_LINES);
}
