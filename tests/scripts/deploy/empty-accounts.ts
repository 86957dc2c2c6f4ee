import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import {
  type ControlPlane,
  openLocalDeployment,
  setUp,
  startControlPlane,
} from '../../../local/control-plane.ts';
import { createWireLog, type WireEntry } from '../../../local/wire-log.ts';
import { type ScriptedTerminal, scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { createFakeHostDriver } from '../../local/aws/fake-host-driver.ts';

/** Accounts at all three vendors in the state after `make setup`, before a first deploy. */
export interface EmptyAccounts {
  plane: ControlPlane;
  /** The requests in the wire log, in order. */
  wire: WireEntry[];
  /** Begins a command of the operator: it knows only what is in the accounts. */
  open(terminal?: ScriptedTerminal, settings?: Record<string, string>): Promise<Deployment>;
  /** The same accounts with every right, to put something there that no command makes. */
  openAsRoot(): Promise<Deployment>;
  /** The wire log on disk. */
  writtenLog(): Promise<string>;
  close(): Promise<void>;
}

/** Shared with `make local`: a build from the same sources is made once. */
const cache = join(import.meta.dirname, '../../../.local/cache');

export async function startEmptyAccounts(): Promise<EmptyAccounts> {
  const dir = await mkdtemp(join(tmpdir(), 'eph-accounts-'));
  const logFile = join(dir, 'wire.jsonl');
  const log = createWireLog(logFile);
  const wire: WireEntry[] = [];
  const plane = await startControlPlane({
    dir,
    cache,
    hostDriver: createFakeHostDriver(),
    wireLog: {
      record(entry) {
        wire.push(entry);
        log.record(entry);
      },
      close: log.close,
    },
    log: () => undefined,
    detail: () => undefined,
    empty: true,
  });
  const open = (terminal = scriptedTerminal(), settings: Record<string, string> = {}) =>
    // The token is where make setup puts it: in Parameter Store.
    openLocalDeployment(
      { environment: { ...plane.environment, CLOUDFLARE_API_TOKEN: '', ...settings } },
      terminal,
    );
  const openAsRoot = () => open(scriptedTerminal(), plane.aws.credentials.root());
  await setUp(plane, await open());
  return {
    plane,
    wire,
    open,
    openAsRoot,
    async writtenLog() {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return readFile(logFile, 'utf8');
    },
    async close() {
      await plane.close();
      await log.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Calls that change something at a vendor. */
export function changes(entries: readonly WireEntry[]): string[] {
  const reading = /^(Get|List|Describe|Head|Query|Scan|BatchGet|ReceiveMessage|DeleteMessage)/;
  return entries.flatMap(({ peer, method, path, query, request }) => {
    if (peer === 'github' || peer === 'cloudflare' || peer === 's3') {
      return method === 'GET' || method === 'HEAD' ? [] : [`${peer} ${method} ${path}`];
    }
    const named = query['Action'] ?? actionOf(request) ?? `${method} ${path}`;
    if (method === 'GET' || reading.test(String(named))) return [];
    return [`${peer} ${named}`];
  });
}

function actionOf(request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null || !('Action' in request)) return undefined;
  return String(request.Action);
}
