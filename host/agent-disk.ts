import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import type { Manifest } from './checkout.ts';

/**
 * What the agent keeps on the machine's disk, all under EPH_ROOT. The disk outlives the machine being
 * stopped and started; nothing here is needed to destroy it.
 *
 * Gotcha: every file is replaced by rename, and the state is written before the work that it announces is done. A
 * power cut therefore leaves either the old or the new state, and the announced work is done again.
 */
const serving = v.object({ generation: v.number(), sha: v.string() });

const plannedService = v.object({
  name: v.string(),
  port: v.number(),
  hostname: v.string(),
  path: v.string(),
  primary: v.boolean(),
  upstream: v.string(),
  tls: v.optional(v.boolean(), false),
  stripPrefix: v.optional(v.boolean(), false),
  ownHost: v.optional(v.boolean()),
  networks: v.array(v.string()),
});

/** What `up` was last asked to run: enough to start it again after a reboot. */
const installed = v.object({
  generation: v.number(),
  sha: v.string(),
  hostname: v.string(),
  /** The address that people open. An agent before this field wrote none. */
  url: v.optional(v.string()),
  call: v.object({ folder: v.string(), files: v.array(v.string()), envFiles: v.array(v.string()) }),
  services: v.array(plannedService),
  essential: v.array(v.string()),
  /** Volumes and networks as they are made on this machine. */
  definitions: v.optional(v.record(v.string(), v.object({ actual: v.string(), hash: v.string() }))),
  healthCheck: v.object({
    path: v.string(),
    status: v.optional(v.number()),
    timeout: v.number(),
    interval: v.number(),
  }),
});
export type Installed = v.InferOutput<typeof installed>;

/**
 * What served before the generation that is being started. The agent goes back to it unless that generation comes up.
 */
const previous = v.object({
  installed,
  serving,
  /** A build moves `eph-web` to the new image; the old one is kept under a tag of its own. */
  images: v.array(v.object({ image: v.string(), kept: v.string() })),
});
export type Previous = v.InferOutput<typeof previous>;

const stateSchema = v.object({
  v: v.literal(1),
  /** The newest generation that this agent has begun; 0 before the first. */
  generation: v.number(),
  /** How often it was begun: more than once only if the agent was interrupted. */
  attempts: v.number(),
  /** Whether its result has been reported. */
  finished: v.boolean(),
  /** What was up at the last check; always the installed one. */
  serving: v.optional(serving),
  installed: v.optional(installed),
  previous: v.optional(previous),
});
export type AgentState = v.InferOutput<typeof stateSchema>;

const emptyState: AgentState = { v: 1, generation: 0, attempts: 0, finished: true };

export interface AgentDisk {
  readonly root: string;
  /** The commit as it is in the repository: planned and built from, mounted nowhere. */
  readonly source: string;
  /** What containers mount: the last started commit's files, and the data they keep between them. */
  readonly app: string;
  readonly scratch: string;
  readonly proxy: { config: string; run: string; log: string };
  readonly tunnelToken: string;
  readonly socket: string;
  generationFolder(generation: number): string;
  loadState(): Promise<AgentState>;
  saveState(state: AgentState): Promise<void>;
  loadManifest(of: 'source' | 'app'): Promise<Manifest>;
  saveManifest(of: 'source' | 'app', manifest: Manifest): Promise<void>;
  /** Only root may read it. */
  write(path: string, text: string): Promise<void>;
  /** Deletes the folders of generations that nothing refers to any more. */
  forgetGenerationsExcept(kept: readonly number[]): Promise<void>;
}

export async function openAgentDisk(root: string): Promise<AgentDisk> {
  const at = (...parts: string[]) => join(root, ...parts);
  const proxy = { config: at('proxy', 'config'), run: at('proxy', 'run'), log: at('proxy', 'log') };
  for (const folder of [at('scratch'), at('generations'), ...Object.values(proxy)]) {
    await mkdir(folder, { recursive: true });
  }
  const write = async (path: string, text: string) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  };
  const readJson = async (path: string): Promise<unknown> => {
    try {
      return JSON.parse(await readFile(path, 'utf8'));
    } catch {
      // The file is missing on the first boot, and incomplete only if the disk itself failed. In both cases the agent
      // starts from nothing.
      return undefined;
    }
  };
  return {
    root,
    source: at('source'),
    app: at('app'),
    scratch: at('scratch'),
    proxy,
    tunnelToken: at('tunnel-token'),
    socket: at('agent.sock'),
    generationFolder: (generation) => at('generations', String(generation)),
    async loadState() {
      const parsed = v.safeParse(stateSchema, await readJson(at('state.json')));
      return parsed.success ? parsed.output : emptyState;
    },
    saveState: (state) => write(at('state.json'), JSON.stringify(state)),
    async loadManifest(of) {
      const parsed = v.safeParse(v.record(v.string(), v.string()), await readJson(at(`${of}.json`)));
      return parsed.success ? parsed.output : {};
    },
    saveManifest: (of, manifest) => write(at(`${of}.json`), JSON.stringify(manifest)),
    write,
    async forgetGenerationsExcept(kept) {
      for (const name of await readdir(at('generations'))) {
        if (!kept.includes(Number(name))) await rm(at('generations', name), { recursive: true, force: true });
      }
    },
  };
}
