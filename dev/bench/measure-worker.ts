import { type ChildProcess, fork } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { type RunningWorker, startWorker } from '../../local/worker/start-worker.ts';
import { atMost, type Figure, inKilobytes, inMillis, inSeconds, percentile } from './figures.ts';

/**
 * The Worker in workerd, sent real deliveries: a `pull_request.opened` of GitHub's examples, filled up to
 * 25,000 bytes and signed. SQS is a stub in a process of its own.
 *
 * CPU is user and system time of the whole workerd process (/proc, so Linux only) over the requests, after a warm-up:
 * it includes HTTP in and out and miniflare's entry, which Cloudflare would not count, so it is an upper bound. `net`
 * is the rest after the time of `GET /health` is subtracted. Time to answer is the client's.
 */
const root = join(import.meta.dirname, '../..');
const SECRET = 'bench';
const PAYLOAD_BYTES = 25_000;
const WARM_UP = 500;
const REQUESTS = 2_000;

export async function measureWorker(folder: string, bundle: string): Promise<Figure[]> {
  const figures = [atMost('Worker, gzip', gzipSync(await readFile(bundle)).byteLength, 20_000, inKilobytes)];
  const ours = join(folder, 'worker.js');
  const withSdk = join(folder, 'worker-with-sdk.js');
  await Promise.all([
    bundleWorker(ours),
    bundleWorker(withSdk, join(import.meta.dirname, 'job-queue-with-sdk.ts')),
  ]);
  figures.push({
    what: 'Worker with @aws-sdk/client-sqs instead of aws4fetch, gzip',
    measured: `${inKilobytes(await gzipped(withSdk))} (this one by the same esbuild call: ${inKilobytes(await gzipped(ours))})`,
    bar: '',
  });

  const answering = await startStub('answer');
  const hanging = await startStub('hang');
  try {
    const product = await load(bundle, answering.url);
    const sdk = await load(withSdk, answering.url);
    if (product.cpu && sdk.cpu) {
      figures.push(atMost('Worker, CPU for a 25 KB delivery, mean', product.cpu.whole, 1.5, inMillis), {
        what: '  of which beyond an empty request',
        measured: inMillis(product.cpu.net),
        bar: '',
      });
      figures.push({
        what: '  with the SDK instead',
        measured: `${inMillis(sdk.cpu.whole)} (${((sdk.cpu.whole / product.cpu.whole - 1) * 100).toFixed(0)} % more)`,
        bar: '',
      });
    }
    for (const [concurrency, times] of product.times) {
      const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
      figures.push({
        what: `Worker, time to answer, ${concurrency} at a time, p50 / p99`,
        measured: `${inMillis(p50)} / ${inMillis(p99)}`,
        bar: 'p99 <= 1 s',
        met: p99 <= 1_000,
      });
    }
    figures.push(
      atMost(
        'Worker, time to answer while SQS hangs',
        await answerWhile(bundle, hanging.url),
        8_000,
        inSeconds,
      ),
    );
  } finally {
    answering.close();
    hanging.close();
  }
  return figures;
}

async function gzipped(file: string): Promise<number> {
  return gzipSync(await readFile(file)).byteLength;
}

/** Bundles like wrangler; `jobQueue` replaces worker/job-queue.ts. */
async function bundleWorker(outfile: string, jobQueue?: string): Promise<void> {
  await build({
    entryPoints: [join(root, 'worker/index.ts')],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    platform: 'browser',
    legalComments: 'none',
    plugins: [
      {
        name: 'job-queue',
        setup({ onResolve }) {
          onResolve({ filter: /\/job-queue\.ts$/ }, () => (jobQueue ? { path: jobQueue } : undefined));
        },
      },
    ],
  });
}

async function startStub(how: 'answer' | 'hang'): Promise<{ url: string; close(): void }> {
  const child = fork(join(import.meta.dirname, 'stub-sqs.ts'), [how], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const port = await firstLine(child);
  return { url: `http://127.0.0.1:${port}/000000000000/jobs`, close: () => child.disconnect() };
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error('the stub of SQS has no output');
  const [chunk] = await once(stdout, 'data');
  return String(chunk).trim();
}

function start(bundle: string, queueUrl: string): Promise<RunningWorker> {
  return startWorker({
    bundle,
    bindings: {
      SQS_QUEUE_URL: queueUrl,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'key',
      GITHUB_WEBHOOK_SECRET: SECRET,
      VERSION: 'bench',
    },
    log: () => undefined,
  });
}

interface Load {
  cpu: { whole: number; net: number } | undefined;
  /** By concurrency: milliseconds of each request. */
  times: Map<number, number[]>;
}

async function load(bundle: string, queueUrl: string): Promise<Load> {
  const before = await workerdProcesses();
  const worker = await start(bundle, queueUrl);
  const pids = (await workerdProcesses()).filter((pid) => !before.includes(pid));
  const body = delivery();
  const webhook = () => post(`${worker.url}/webhooks/github`, body);
  const health = () => post(`${worker.url}/health`);
  try {
    await repeat(WARM_UP, 1, webhook);
    await repeat(WARM_UP, 1, health);
    const times = new Map<number, number[]>();
    const started = await cpuOf(pids);
    for (const concurrency of [1, 10]) times.set(concurrency, await repeat(REQUESTS, concurrency, webhook));
    const between = await cpuOf(pids);
    await repeat(REQUESTS, 1, health);
    const ended = await cpuOf(pids);
    const whole = (between - started) / (2 * REQUESTS);
    const empty = (ended - between) / REQUESTS;
    return { cpu: pids.length > 0 ? { whole, net: whole - empty } : undefined, times };
  } finally {
    await worker.close();
  }
}

async function answerWhile(bundle: string, queueUrl: string): Promise<number> {
  const worker = await start(bundle, queueUrl);
  try {
    const [time = Number.NaN] = await repeat(1, 1, () =>
      post(`${worker.url}/webhooks/github`, delivery(), 503),
    );
    return time;
  } finally {
    await worker.close();
  }
}

/** GitHub's own example, with a description as long as needed. */
function delivery(): string {
  const examples: { name: string; examples: { action?: string; installation?: unknown }[] }[] = createRequire(
    import.meta.url,
  )('@octokit/webhooks-examples');
  const opened = examples
    .find(({ name }) => name === 'pull_request')
    ?.examples.find(({ action, installation }) => action === 'opened' && installation !== undefined);
  if (!opened) throw new Error('GitHub has no example of an opened pull request any more');
  const length = Buffer.byteLength(JSON.stringify({ ...opened, filler: '' }));
  return JSON.stringify({ ...opened, filler: 'x'.repeat(Math.max(0, PAYLOAD_BYTES - length)) });
}

const agent = new Agent({ keepAlive: true });

function post(url: string, body?: string, expected = body === undefined ? 200 : 202): Promise<void> {
  const signature = createHmac('sha256', SECRET)
    .update(body ?? '')
    .digest('hex');
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'pull_request',
    'x-github-delivery': randomUUID(),
    'x-hub-signature-256': `sha256=${signature}`,
  };
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      url,
      { agent, method: body === undefined ? 'GET' : 'POST', ...(body === undefined ? {} : { headers }) },
      (response) => {
        response.resume();
        response.on('end', () =>
          response.statusCode === expected
            ? resolve()
            : reject(new Error(`${url} answered ${response.statusCode}`)),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Returns the milliseconds of each call. */
async function repeat(count: number, concurrency: number, call: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      const startedAt = performance.now();
      await call();
      times.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return times;
}

/** The workerd children of this process; empty where there is no /proc. */
async function workerdProcesses(): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const found: number[] = [];
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const [, command, , parent] = /^\d+ \((.*)\) (\S) (\d+)/.exec(stat) ?? [];
    if (command === 'workerd' && Number(parent) === process.pid) found.push(Number(name));
  }
  return found;
}

/** Milliseconds of user and system time; the kernel counts in hundredths of a second. */
async function cpuOf(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * 10;
}
