import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAgentDisk } from '../../host/agent-disk.ts';
import { type Compose, type ComposeCall, type Container, keptRepository } from '../../host/compose.ts';
import type { Answer } from '../../host/judge-answer.ts';
import type { ListeningSocket } from '../../host/listening-sockets.ts';
import { createLog } from '../../host/log.ts';
import { createMailbox, type ObjectStore } from '../../host/mailbox.ts';
import { type Agent, runAgent } from '../../host/run-agent.ts';
import type { CommandResult } from '../../host/run-command.ts';
import type { LastUse, MailboxSpec, Progress, Result } from '../../lambdas/providers/ec2/mailbox.ts';
import { specFor } from './compose-fixtures.ts';
import { repositoryArchive } from './make-archive.ts';

/**
 * A machine without Docker: the compose file of a checkout is JSON in the form `docker compose config`
 * prints, and "running" it makes containers appear. Time runs 150 times as fast.
 */
const SPEED = 150;

export type FakeMachine = Awaited<ReturnType<typeof createFakeMachine>>;

/** Calls that are repeated while something runs: they are not counted, or the n-th would be another one each time. */
const unsteady = [
  'get',
  'containers',
  'networks',
  'digests',
  'registryDigest',
  'probe',
  'logs',
  'openRequests',
];

/** Hash of the agent that the machine runs. */
export const runningAgent = 'a'.repeat(64);

/** A killed process stops writing; here it continues until its next call. */
async function filesAtRest(): Promise<void> {
  let quiet = 0;
  for (let tries = 0; quiet < 3 && tries < 2_000; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    const busy = process.getActiveResourcesInfo().some((resource) => /^FSReq|ZLIB/i.test(resource));
    quiet = busy ? 0 : quiet + 1;
  }
}

export async function createFakeMachine() {
  const root = await mkdtemp(join(tmpdir(), 'eph-machine-'));
  const began = Date.now();
  const now = () => 1_800_000_000_000 + (Date.now() - began) * SPEED;
  const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms / SPEED));
  const objects = new Map<string, { body: string; tag: string }>();
  const faults = { reads: 0, writes: 0 };
  const reports: Progress[] = [];
  const store: ObjectStore = {
    async get(name, knownTag) {
      if (faults.reads > 0) {
        faults.reads--;
        throw new Error('SlowDown');
      }
      const found = objects.get(name);
      if (!found) return { kind: 'missing' };
      return found.tag === knownTag ? { kind: 'same' } : { kind: 'found', ...found };
    },
    async put(name, body) {
      if (faults.writes > 0) {
        faults.writes--;
        throw new Error('SlowDown');
      }
      objects.set(name, { body, tag: String(objects.size + Math.random()) });
      if (name === 'progress.json') reports.push(JSON.parse(body));
    },
  };

  const archives = new Map<string, Buffer>();
  const docker = createFakeDocker(now);
  const tunnelTokens: string[] = [];
  const poweredOff: string[] = [];
  const lines: string[] = [];
  let agent: Agent | undefined;
  let life = { calls: 0, endsAt: Number.POSITIVE_INFINITY };
  /** The next calls of a killed process never happen. */
  const mortal = <T extends object>(target: T): T => {
    const own = life;
    return new Proxy(target, {
      get(object, key, receiver) {
        const value: unknown = Reflect.get(object, key, receiver);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (!unsteady.includes(String(key)) && args[0] !== 'log.txt') own.calls++;
          return own.calls > own.endsAt ? new Promise(() => undefined) : Reflect.apply(value, object, args);
        };
      },
    });
  };
  let generation = 0;
  const becoming: string[] = [];

  const read = <T>(name: string): T | undefined => {
    const found = objects.get(name);
    return found && (JSON.parse(found.body) as T);
  };
  const machine = {
    docker,
    faults,
    archives,
    tunnelTokens,
    poweredOff,
    becoming,
    lines,
    now,
    /** Kills the agent after this number of calls of disk, Docker, proxy and mailbox from now on. */
    killAt(calls: number): void {
      life.endsAt = life.calls + calls;
    },
    killed: () => life.calls > life.endsAt,
    /** `roleIsGuarded`: whether the machine's packet rule could be set. */
    async boot({ roleIsGuarded = true } = {}): Promise<void> {
      if (machine.killed()) await filesAtRest();
      life = { calls: 0, endsAt: Number.POSITIVE_INFINITY };
      const disk = mortal(await openAgentDisk(root));
      const log = createLog((line) => lines.push(line), now);
      agent = await runAgent({
        mailbox: createMailbox({ store: mortal(store), sleep, onProblem: (problem) => lines.push(problem) }),
        tunnel: { use: async (token) => void tunnelTokens.push(token), stop: async () => undefined },
        disk,
        log,
        now,
        sleep,
        proxyPort: 8080,
        cpus: 2,
        roleIsGuarded,
        run: () => Promise.reject(new Error('nothing else is run')),
        fetch: async (address) => {
          const archive = archives.get(String(address));
          return new Response(archive ? new Uint8Array(archive) : null, { status: archive ? 200 : 404 });
        },
        compose: mortal(docker.compose),
        proxy: mortal(docker.proxy),
        listening: async () => docker.listening,
        speaksTls: async () => false,
        version: { sha256: runningAgent, become: async (sha256) => void becoming.push(sha256) },
        powerOff: async (reason) => void poweredOff.push(reason),
      });
    },
    notify: () => agent?.notify(),
    async halt(): Promise<void> {
      await agent?.stop();
    },
    /** Writes the spec of a new generation whose compose file starts these services. */
    spec(
      services: Record<string, object>,
      more: Partial<MailboxSpec> = {},
      files: Record<string, string> = {},
      rest: object = {},
    ): MailboxSpec {
      generation++;
      const url = `https://codeload.example/${generation}?token=archive-token-${generation}`;
      archives.set(
        url,
        repositoryArchive({ 'compose.yaml': JSON.stringify({ services, ...rest }), ...files }),
      );
      const sha = generation.toString(16).padStart(40, '0');
      return machine.writeSpec({
        ...specFor('shop'),
        generation,
        delivery: `delivery-${generation}`,
        source: { kind: 'archive', sha, url },
        ...more,
      });
    },
    writeSpec(spec: MailboxSpec): MailboxSpec {
      objects.set('next.json', { body: JSON.stringify(spec), tag: `${spec.generation}.${spec.revision}` });
      return spec;
    },
    put: (name: string, body: string) => objects.set(name, { body, tag: body }),
    progress: () => read<Progress>('progress.json'),
    /** The reports that tell people that something takes long. */
    words: () => reports.filter((report) => report.waiting !== undefined),
    /** The reports on which the control plane has to act. */
    acts: () => reports.filter((report) => report.waiting === undefined),
    result: () => read<Result>('result.json'),
    lastUse: () => read<LastUse>('last-use.json'),
    log: () => objects.get('log.txt')?.body ?? '',
    state: async () => JSON.parse(await readFile(join(root, 'state.json'), 'utf8')),
    root,
    async until<T>(look: () => T | undefined | false, what: string): Promise<T> {
      // Names what never came, before the test itself ends: a slow disk is not the subject of the test.
      const deadline = Date.now() + 25_000;
      for (;;) {
        const found = look();
        if (found) return found;
        if (Date.now() > deadline) throw new Error(`never happened: ${what}\n${lines.slice(-15).join('\n')}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    resultOf: (wanted: number, after = 0) =>
      machine.until(() => {
        const result = machine.result();
        return result?.generation === wanted && result.at > after && result;
      }, `result of generation ${wanted}`),
    async close(): Promise<void> {
      await machine.halt();
      await rm(root, { recursive: true, force: true });
    },
  };
  return machine;
}

function createFakeDocker(now: () => number) {
  const containers = new Map<string, Container>();
  const ok: CommandResult = { code: 0, stdout: '', stderr: '', ended: 'exited' };
  const calls: string[] = [];
  const state = {
    /** Builds run until they are released or aborted. */
    holdBuilds: false,
    failBuild: '' as string,
    /** The service that fails; if it is empty, all of them. */
    failBuildOf: '',
    /** Images that the registry does not have. */
    unknownImages: [] as string[],
    /** The output of `up` for these services, if it fails. */
    failUp: (_services: Record<string, { image?: string }>): string => '',
    /** The image of each name. A build moves its name; the image that had it stays while another name refers to it. */
    images: new Map<string, string>(),
    networks: {} as Record<string, string>,
    /** Digests, of the pulled images and in the registry. */
    pulled: {} as Record<string, string>,
    registry: {} as Record<string, string>,
    /** `up` takes this long. */
    upMs: 0,
    /** By service or image: the state of its container after `up`, instead of running. */
    after: {} as Record<string, Partial<Container>>,
    /** `never` means until the request is aborted. */
    answer: { kind: 'answered', status: 200, byProxy: false, body: 'hello' } as Answer | 'never',
    probes: 0,
    openRequests: 0,
    listening: [] as ListeningSocket[],
    loaded: [] as string[],
    calls,
    containers,
  };
  let made = 0;
  const project = async (call: ComposeCall) => JSON.parse(await readFile(call.files[0] ?? '', 'utf8'));
  const held = (signal: AbortSignal | undefined) =>
    new Promise<CommandResult>((resolve) => {
      const check = setInterval(() => {
        if (state.holdBuilds && !signal?.aborted) return;
        clearInterval(check);
        resolve(signal?.aborted ? { ...ok, code: 143, ended: 'aborted' } : ok);
      }, 2);
    });
  const compose: Compose = {
    profiles: async () => ok,
    config: async (call) => ({ ...ok, stdout: JSON.stringify(await project(call)) }),
    async pull(call, _options, named = []) {
      calls.push('pull');
      const { services } = await project(call);
      const wanted = named.length > 0 ? named : Object.keys(services);
      const missing = wanted.find((name) => state.unknownImages.includes(services[name]?.image));
      if (missing === undefined) return ok;
      const says = `Error response from daemon: manifest for ${services[missing].image} not found: manifest unknown`;
      return { ...ok, code: 1, stderr: says };
    },
    async build(call, { signal }, named = []) {
      calls.push('build');
      const fails = named.length === 0 || state.failBuildOf === '' || named.includes(state.failBuildOf);
      if (state.failBuild && fails) return { ...ok, code: 1, stderr: state.failBuild };
      const result = await held(signal);
      if (result.ended === 'aborted') return result;
      const { services } = await project(call);
      for (const [name, { build }] of Object.entries<{ build?: { target: string } }>(services)) {
        if (build) state.images.set(`eph-${name}`, `sha256:${build.target}`);
      }
      return result;
    },
    async up(call) {
      calls.push('up');
      await new Promise((resolve) => setTimeout(resolve, state.upMs));
      const { services } = await project(call);
      const failure = state.failUp(services);
      if (failure) return { ...ok, code: 1, stderr: failure };
      for (const name of [...containers.keys()]) if (!(name in services)) containers.delete(name);
      for (const [name, service] of Object.entries<{ image?: string }>(services)) {
        const hash = JSON.stringify(service);
        const image = service.image ?? `eph-${name}`;
        const imageId = state.images.get(image) ?? `sha256:${image}`;
        const known = containers.get(name);
        if (known?.healthOutput === hash && known.imageId === imageId && known.state === 'running') continue;
        made++;
        containers.set(name, {
          id: `${name}-${made}`,
          service: name,
          image,
          imageId,
          state: 'running',
          exitCode: 0,
          oomKilled: false,
          error: '',
          startedAt: now(),
          restartCount: 0,
          restartPolicy: 'no',
          health: 'none',
          healthOutput: hash,
          pid: made,
          addresses: [],
          ...state.after[name],
          ...state.after[image],
          ...state.after[imageId],
        });
      }
      return ok;
    },
    containers: async () => [...containers.values()],
    logs: async (id) => [`last line of ${id}`],
    networks: async () => ({ ...state.networks }),
    digests: async (image) => (state.pulled[image] ? [state.pulled[image]] : []),
    registryDigest: async (image) => state.registry[image],
    async tag(image, name) {
      const id = state.images.get(image) ?? (image.startsWith('sha256:') ? image : undefined);
      if (id) state.images.set(name, id);
      return id !== undefined;
    },
    async dropKeptExcept(names) {
      for (const name of [...state.images.keys()]) {
        if (name.startsWith(`${keptRepository}:`) && !names.includes(name)) state.images.delete(name);
      }
    },
    async prune() {
      calls.push('prune');
      return ok;
    },
  };
  const proxy = {
    async load(config: string) {
      state.loaded.push(config);
    },
    openRequests: async () => state.openRequests,
    async probe(
      _hostname: string,
      _path: string,
      { signal }: { signal?: AbortSignal } = {},
    ): Promise<Answer> {
      state.probes++;
      if (state.answer !== 'never') return state.answer;
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
      return { kind: 'silent', problem: 'aborted' };
    },
  };
  return Object.assign(state, { compose, proxy });
}
