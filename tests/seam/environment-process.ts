import { existsSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import type { Progress, PublicService, Result } from '#core/report';
import type { DeploySpec } from '../../lambdas/providers/compute.ts';

/**
 * An environment that is a process: its cloud has only this program, a file for when it is asleep, and a line of JSON
 * in for a line of JSON out. It has no clock of its own: each line has the current time, and each answer the time of
 * the next thing to do.
 */
export interface Line {
  now: number;
  do: 'boot' | 'work' | 'deploy' | 'look' | 'report' | 'show' | 'sleep';
  /** What `deploy` passes. */
  spec?: DeploySpec;
  habits: Habits;
}

export interface Habits {
  build: 'ready' | 'failed';
  bootMs: number;
  planMs: number;
  buildMs: number;
}

export interface Answer {
  /** The new reports. */
  said: ('progress' | 'result')[];
  /** It has booted, and can be notified. */
  awake: boolean;
  nextAt?: number | undefined;
  progress?: Progress | undefined;
  result?: Result | undefined;
  /** What a visitor would see, and the token by which its address leads here. */
  page?: { sha: string; token: string } | undefined;
}

/** The part of it that stays when it sleeps, or is killed. */
interface Disk {
  inbox?: DeploySpec | undefined;
  installed?: DeploySpec | undefined;
}

const [path = ''] = process.argv.slice(2);
const disk: Disk = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Disk) : {};
let bootedAt = Number.POSITIVE_INFINITY;
let lookAt: number | undefined;
let building: { spec: DeploySpec; planAt: number | undefined; endAt: number | undefined } | undefined;
let reviveAt: number | undefined;
let serving: DeploySpec | undefined;
let begun = disk.installed?.generation ?? 0;
let progress: Progress | undefined;
let result: Result | undefined;
let said: Answer['said'] = [];

function save(): void {
  writeFileSync(path, JSON.stringify(disk));
}

function servicesOf({ hostname }: DeploySpec): PublicService[] {
  const web = { name: 'web', port: 3000, hostname, path: '/', primary: true };
  return [web, { name: 'api', port: 8080, hostname: `api--${hostname}`, path: '/api', primary: false }];
}

function look(now: number, habits: Habits): void {
  lookAt = undefined;
  const { inbox, installed } = disk;
  if (inbox && inbox.generation > begun) {
    if (building) end(now, 'superseded', building.spec);
    begun = inbox.generation;
    reviveAt = undefined;
    building = { spec: inbox, planAt: now + habits.planMs, endAt: undefined };
  } else if (installed && !serving && !building) reviveAt ??= now + habits.planMs;
}

function plan(now: number, spec: DeploySpec, habits: Habits): void {
  building = { spec, planAt: undefined, endAt: now + habits.buildMs };
  const { generation, revision } = spec;
  progress = {
    generation,
    revision,
    stage: 'planning',
    services: servicesOf(spec),
    warnings: [],
  };
  said.push('progress');
}

function end(now: number, outcome: Result['outcome'], spec: DeploySpec): void {
  building = undefined;
  reviveAt = undefined;
  if (outcome === 'ready') {
    serving = spec;
    disk.installed = spec;
    save();
  }
  const failure = { code: 'exit', sentence: 'The service `api` exited with 1.', log: ['boom'] };
  result = {
    generation: spec.generation,
    at: now,
    outcome,
    services: outcome === 'superseded' ? [] : servicesOf(spec),
    warnings: [],
    timings: {},
    ...(outcome === 'failed' ? { failure } : {}),
    ...(serving ? { serving: { generation: serving.generation, sha: serving.source.sha } } : {}),
  };
  said.push('result');
}

function nextAt(): number | undefined {
  const times = [lookAt, building?.planAt, building?.endAt, reviveAt].filter((at) => at !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

function isDue(at: number | undefined, now: number): boolean {
  return at !== undefined && at <= now;
}

/** Does what is due, one thing after the other; each may make another one due. */
function work(now: number, habits: Habits): void {
  while (isDue(nextAt(), now)) {
    if (isDue(lookAt, now)) look(now, habits);
    else if (isDue(reviveAt, now) && disk.installed) end(now, 'ready', disk.installed);
    else if (building && isDue(building.planAt, now)) plan(now, building.spec, habits);
    else if (building) end(now, habits.build, building.spec);
  }
}

function hear(line: Line): Partial<Answer> {
  const { now, habits, spec } = line;
  switch (line.do) {
    case 'boot':
      bootedAt = now + habits.bootMs;
      lookAt = bootedAt;
      return {};
    case 'work':
      work(now, habits);
      return {};
    case 'deploy':
      // A deployment spec that comes late does not take the place of a newer one.
      if (spec && spec.generation < (disk.inbox?.generation ?? 0)) return {};
      // It is only written: the process begins it when it looks next, within a minute.
      disk.inbox = spec;
      save();
      lookAt ??= now + (building ? 2_000 : 60_000);
      return {};
    case 'look':
      if (now >= bootedAt) look(now, habits);
      return {};
    case 'report':
      return { progress, result };
    case 'show': {
      const token = disk.inbox?.attachment.token ?? '';
      return serving ? { page: { sha: serving.source.sha, token } } : {};
    }
    case 'sleep':
      save();
      return {};
  }
}

const NEWLINE = 10;

/** Blocks until there is a line; undefined when the writer is gone. */
function readLine(): string | undefined {
  const chunks: Buffer[] = [];
  while (chunks.at(-1)?.at(-1) !== NEWLINE) {
    const chunk = Buffer.alloc(65_536);
    const count = readSync(0, chunk);
    if (count === 0) return undefined;
    chunks.push(chunk.subarray(0, count));
  }
  return Buffer.concat(chunks).toString();
}

for (let text = readLine(); text !== undefined; text = readLine()) {
  const line = JSON.parse(text) as Line;
  said = [];
  const answer: Answer = { ...hear(line), said, awake: line.now >= bootedAt, nextAt: nextAt() };
  writeSync(1, `${JSON.stringify(answer)}\n`);
  if (line.do === 'sleep') process.exit(0);
}
