import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { hostBootSchema } from '../lambdas/providers/ec2/host-boot.ts';
import { openAgentDisk } from './agent-disk.ts';
import { createCompose } from './compose.ts';
import { listeningSockets } from './listening-sockets.ts';
import { createLog } from './log.ts';
import { createMailbox, createS3Store } from './mailbox.ts';
import { startNotifyServer } from './notify-server.ts';
import { createProxyAdmin } from './proxy-admin.ts';
import { runAgent } from './run-agent.ts';
import { runCommand, strikeOut } from './run-command.ts';
import { speaksTls } from './speaks-tls.ts';
import { createTunnel } from './tunnel.ts';

/**
 * Entry of the host agent: everything real is built here, and handed to `run-agent.ts`.
 *
 * Environment, set by bootstrap.sh: EPH_BOOT (the machine's user data), EPH_INSTANCE_ID, EPH_AGENT_SHA256 (this
 * agent's own hash), EPH_AGENT_REFUSED (one that did not work here). Optional: EPH_ROOT (default /var/lib/eph),
 * EPH_PROXY_PORT (default 8080), DOCKER_HOST, AWS_ENDPOINT_URL.
 */
const environment = v.object({
  EPH_BOOT: v.pipe(v.string(), v.parseJson(), hostBootSchema),
  EPH_INSTANCE_ID: v.pipe(v.string(), v.regex(/^i-[0-9a-f]+$/, 'an instance id')),
  EPH_AGENT_SHA256: v.optional(v.string()),
  EPH_AGENT_REFUSED: v.optional(v.string()),
  EPH_ROOT: v.optional(v.string(), '/var/lib/eph'),
  EPH_PROXY_PORT: v.optional(
    v.pipe(v.string(), v.transform(Number), v.integer(), v.minValue(1), v.maxValue(65_535)),
    '8080',
  ),
});

const now = () => Date.now();
const log = createLog((line) => console.log(line), now);

async function main(): Promise<void> {
  const parsed = v.safeParse(environment, process.env);
  if (!parsed.success) {
    for (const issue of parsed.issues) log.event(`setting ${v.getDotPath(issue)}: ${issue.message}`);
    process.exitCode = 1;
    return;
  }
  const {
    EPH_BOOT: boot,
    EPH_INSTANCE_ID: instanceId,
    EPH_ROOT: root,
    EPH_PROXY_PORT: proxyPort,
    EPH_AGENT_SHA256: sha256,
    EPH_AGENT_REFUSED: refused,
  } = parsed.output;
  const stopping = new AbortController();
  const sleep = (ms: number) => pause(ms, stopping.signal);
  const disk = await openAgentDisk(root);
  const store = createS3Store({ ...boot, instanceId });
  const mailbox = createMailbox({ store, sleep, onProblem: (problem) => log.event('mailbox', { problem }) });
  const tunnel = createTunnel({
    tokenFile: disk.tunnelToken,
    writeToken: (token) => disk.write(disk.tunnelToken, token),
    log,
    now,
  });
  // packer/files/eph-metadata-rule writes this file at each start of this unit. Local machines, and images built
  // before that rule, have no such file; the first agent of such an image has none where the rule could not be set.
  const rule = await readFile('/run/eph-metadata-rule', 'utf8').catch(() => '');
  log.event('metadata rule', { rule: rule.trim() });
  const agent = await runAgent({
    mailbox,
    tunnel,
    disk,
    log,
    now,
    sleep,
    proxyPort,
    roleIsGuarded: !rule.startsWith('none'),
    run: strikeOut(runCommand, log.redact),
    fetch: globalThis.fetch,
    compose: createCompose(runCommand, log.redact),
    proxy: createProxyAdmin(`${disk.proxy.run}/admin.sock`, proxyPort),
    listening: async (pid) => {
      const tables = await Promise.all(
        ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
      );
      return tables.flatMap(listeningSockets);
    },
    speaksTls,
    version: {
      sha256,
      /** The bootstrap looks for this file, and the supervisor of the bootstrap starts it again. */
      async become(wanted) {
        if (wanted === refused) return;
        await disk.write(`${root}/agent-wanted`, wanted);
        process.exit(0);
      },
    },
    powerOff: async () => {
      await runCommand('poweroff', []);
    },
  });
  if (sha256) await disk.write(`${root}/agent-proven`, sha256);
  const notifyServer = await startNotifyServer(disk.socket, () => agent.notify());
  log.event('agent started', { instance: instanceId, environment: boot.environment, attempt: boot.attempt });

  const stop = async (signal: string) => {
    log.event('agent stopping', { signal });
    stopping.abort();
    await Promise.race([
      Promise.all([agent.stop(), notifyServer.close()]),
      new Promise((done) => setTimeout(done, 5_000)),
    ]);
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop('SIGTERM'));
  process.once('SIGINT', () => void stop('SIGINT'));
}

/** A pause that ends early when the agent stops. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, signal.aborted ? 0 : ms);
    signal.addEventListener('abort', done);
  });
}

await main();
