import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EphError } from '#core/failure';
import type { DeploySpec } from '../../lambdas/providers/compute.ts';
import type { OtherCloud } from '../fakes/other-cloud.ts';
import { reading, type Wire, writing } from '../fakes/wire.ts';
import type { Answer, Habits, Line } from './environment-process.ts';
import { processCompute, readName } from './process-compute.ts';
import { type Speaker, speakToProcess } from './speak-to-process.ts';

/** A cloud that has processes and files, and nothing else; every one of them is an environment. */
export interface ProcessCloud extends OtherCloud {
  habits: Habits;
  /** What visitors see of it; undefined where they see nothing. */
  page(name: string): Answer['page'];
  isRunning(name: string): boolean;
  /** Ends it at once, as a machine loses its power; its file is left. */
  kill(name: string): void;
  /** Ends it at once and deletes its file. */
  lose(name: string): void;
  /** Ends all processes, and deletes all files of the cloud on this machine. */
  end(): void;
}

/** The calls to the cloud. */
export interface ProcessCalls {
  /** Makes one of that name where there is none; one that sleeps wakes with what is in its file. */
  start(name: string): Promise<void>;
  /** False where there is none of that name. */
  sleep(name: string): Promise<boolean>;
  remove(name: string): Promise<void>;
  tell(name: string, spec: DeploySpec): Promise<void>;
  /** False where it has not booted. */
  poke(name: string): Promise<boolean>;
  report(name: string): Promise<Pick<Answer, 'progress' | 'result'>>;
  power(name: string): Promise<'on' | 'off' | 'gone' | 'unknown'>;
  list(): Promise<{ name: string; since: number; running: boolean }[]>;
}

interface Process {
  disk: string;
  since: number;
  speaker: Speaker | undefined;
  nextAt: number | undefined;
}

export function processCloud(): ProcessCloud {
  const folder = mkdtempSync(join(tmpdir(), 'eph-processes-'));
  const processes = new Map<string, Process>();
  const lost = new Set<string>();
  const habits: Habits = { build: 'ready', bootMs: 3_000, planMs: 2_000, buildMs: 45_000 };
  let starts = 0;
  let platform: Parameters<OtherCloud['join']>[0] | undefined;

  function around(): NonNullable<typeof platform> {
    if (!platform) throw new Error('the cloud is on no platform yet');
    return platform;
  }
  const tellOf = (name: string, news: object): void =>
    around().push(JSON.stringify({ process: name, id: around().newId(), ...news }));

  /** Undefined where it does not run. */
  function say(name: string, line: Pick<Line, 'do' | 'spec'>): Answer | undefined {
    const process = processes.get(name);
    const answer = process?.speaker?.say({ ...line, now: around().now(), habits });
    if (!process || !answer) return undefined;
    process.nextAt = answer.nextAt;
    for (const report of answer.said) tellOf(name, { report });
    return answer;
  }

  function start(name: string): void {
    starts += 1;
    const disk = join(folder, encodeURIComponent(name));
    const process = processes.get(name) ?? { disk, since: around().now(), speaker: undefined, nextAt: 0 };
    processes.set(name, process);
    if (process.speaker) return;
    process.speaker = speakToProcess(folder, String(starts), disk);
    say(name, { do: 'boot' });
  }

  function stop(name: string, how: 'sleep' | 'kill'): void {
    const process = processes.get(name);
    if (!process?.speaker) return;
    if (how === 'sleep') say(name, { do: 'sleep' });
    else process.speaker.kill();
    process.speaker = undefined;
    process.nextAt = undefined;
    tellOf(name, { power: 'off' });
  }

  function remove(name: string): void {
    const process = processes.get(name);
    process?.speaker?.kill();
    if (process && existsSync(process.disk)) rmSync(process.disk);
    processes.delete(name);
  }

  function powerOf(name: string): 'on' | 'off' | 'gone' | 'unknown' {
    const process = processes.get(name);
    if (process) return process.speaker ? 'on' : 'off';
    return lost.has(name) ? 'gone' : 'unknown';
  }

  function callsOver(wire: Wire): ProcessCalls {
    return {
      start: (name) => wire(writing('process start', name), () => start(name)),
      sleep: (name) =>
        wire(writing('process sleep', name), () => {
          stop(name, 'sleep');
          return processes.has(name);
        }),
      remove: (name) => wire(writing('process remove', name), () => remove(name)),
      tell: (name, spec) =>
        wire(writing('process tell', name), () => {
          if (!say(name, { do: 'deploy', spec }))
            throw new EphError('transient', 'asleep', 'It does not run.');
        }),
      poke: (name) => wire(writing('process poke', name), () => say(name, { do: 'look' })?.awake === true),
      report: (name) => wire(reading('process report', name), () => say(name, { do: 'report' }) ?? {}),
      power: (name) => wire(reading('process power', name), () => powerOf(name)),
      list: () =>
        wire(reading('process list'), () =>
          [...processes].map(([name, { since, speaker }]) => ({
            name,
            since,
            running: speaker !== undefined,
          })),
        ),
    };
  }

  const isDue = ([, { nextAt }]: [string, Process]) => nextAt !== undefined && nextAt <= around().now();

  return {
    habits,
    join(joined) {
      platform = joined;
    },
    connect: (wire) => processCompute(callsOver(wire), () => around().now()),
    nextAt() {
      const times = [...processes.values()].flatMap(({ nextAt }) => nextAt ?? []);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    act() {
      for (const [name] of [...processes].filter(isDue)) say(name, { do: 'work' });
    },
    units: () => [...processes.keys()],
    unitOf: (handle) => readName(handle),
    served(handle) {
      const name = readName(handle);
      return name === undefined ? undefined : say(name, { do: 'show' })?.page?.sha;
    },
    page: (name) => say(name, { do: 'show' })?.page,
    isRunning: (name) => powerOf(name) === 'on',
    kill: (name) => stop(name, 'kill'),
    lose(name) {
      if (!processes.has(name)) return;
      remove(name);
      lost.add(name);
      tellOf(name, { power: 'gone' });
    },
    end() {
      for (const { speaker } of processes.values()) speaker?.kill();
      processes.clear();
      rmSync(folder, { recursive: true });
    },
  };
}
