import { atMost, type Figure } from './figures.ts';
import { text } from './measure-pull-requests.ts';
import { type SeenEntry, startBenchPlatform } from './start-bench-platform.ts';

/**
 * What one pull request costs in calls: opened, pushed to once, closed, with two services, on a fresh
 * platform whose machines take a moment, as real ones do, between what they report.
 *
 * The calls are read from the wire log. These are left out: what the test driver asks of GitHub, what machines read
 * and write in S3, and Lambda's own polling. One DynamoDB call is counted for each message that is still waiting for
 * its time, although it comes later.
 */
const PAUSE_MS = 1_500;

export async function measureCalls(cache: string): Promise<Figure[]> {
  const branch = 'one';
  const platform = await startBenchPlatform({ cache, pauseMs: PAUSE_MS, limits: true, branches: [branch] });
  try {
    const from = platform.wire.length;
    const number = await platform.openPullRequest(branch);
    await platform.quiet();
    const opened = platform.wire.slice(from).filter(isContent).length;
    await platform.pushAll([branch]);
    await platform.quiet();
    await platform.closePullRequest(number);
    await platform.quiet();
    return [...figuresOf(platform.wire.slice(from)), writesFigure(opened)];
  } finally {
    await platform.close();
  }
}

function figuresOf(wire: readonly SeenEntry[]): Figure[] {
  const ours = wire.filter((entry) => !isOfOthers(entry));
  const count = (...peers: string[]) => ours.filter(({ peer }) => peers.includes(peer)).length;
  const later = ours.filter(
    (entry) => entry.peer === 'sqs' && Number(text(entry.request, 'DelaySeconds')) > 0,
  );
  const aws = ['dynamodb', 's3', 'sqs', 'ec2', 'ssm'];
  const parts = aws.map((peer) => `${peer} ${count(peer)}`).join(', ');
  const total = atMost('AWS', count(...aws) + later.length, 60, String);
  return [
    atMost('GitHub', count('github'), 28, String),
    atMost('Cloudflare', count('cloudflare'), 12, String),
    { ...total, measured: `${total.measured} (${parts}, later ${later.length})` },
  ].map((figure) => ({ ...figure, what: `Calls of opened, pushed, closed: ${figure.what}` }));
}

const WRITES_A_MINUTE = 80;

function writesFigure(writes: number): Figure {
  const pulls = Math.floor(WRITES_A_MINUTE / writes);
  return {
    what: 'Content written to GitHub, opened to ready',
    measured: `${writes} (${WRITES_A_MINUTE} a minute are allowed: ${pulls} pull requests)`,
    bar: '',
  };
}

function isContent(entry: SeenEntry): boolean {
  const { peer, method, path } = entry;
  return peer === 'github' && method !== 'GET' && !path.endsWith('/access_tokens') && !isOfOthers(entry);
}

function isOfOthers({ peer, method, path }: SeenEntry): boolean {
  if (peer === 'worker' || peer === 'edge') return true;
  if (peer === 's3') {
    const reads = method === 'GET' && path.endsWith('/next.json');
    return reads || (method === 'PUT' && /\/(progress|result)\.json$/.test(path));
  }
  // The test driver opens and closes pull requests; git is not the API.
  return (
    peer === 'github' &&
    (/^\/repos\/[^/]+\/[^/]+\/pulls(\/\d+)?$/.test(path) ? method !== 'GET' : /\.git\//.test(path))
  );
}
