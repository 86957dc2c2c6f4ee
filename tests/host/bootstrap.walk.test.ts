import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HostBoot, userDataOf } from '../../lambdas/providers/ec2/host-boot.ts';
import { startImds } from '../../local/aws/imds.ts';
import { credentials, type ObjectServer, startObjectServer } from './object-server.ts';

const bootstrap = join(import.meta.dirname, '../../host/bootstrap.sh');
/** Says what it was given, and ends. */
const agent =
  'console.log(JSON.stringify({ agent: true, boot: JSON.parse(process.env.EPH_BOOT).environment, instance: process.env.EPH_INSTANCE_ID, region: process.env.AWS_REGION, refused: process.env.EPH_AGENT_REFUSED }));';
const sha256 = createHash('sha256').update(agent).digest('hex');
const bootOf = (agentSha256: string): HostBoot => ({
  v: 1,
  environment: '7#42',
  attempt: 1,
  region: 'us-east-1',
  bucket: 'eph-mailbox',
  hostRoleId: 'AROA',
  agentSha256,
});
/** `make test` installs it; a bare Debian on which only `make check` runs has none. */
const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe.skipIf(!hasCurl)('the bootstrap', () => {
  let root: string;
  let bucket: ObjectServer;
  let imds: Awaited<ReturnType<typeof startImds>>;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'eph-boot-'));
    bucket = await startObjectServer();
    bucket.put(`agent/${sha256}.mjs`, agent);
    imds = await startImds({
      instanceId: 'i-0abc',
      userData: userDataOf(bootOf(sha256), ''),
      region: 'us-east-1',
      zone: 'us-east-1a',
      credentials: () => credentials,
      listen: { host: '127.0.0.1', port: 0 },
    });
    imds.answerOnly('127.0.0.1');
  });
  afterEach(async () => {
    await imds.close();
    await bucket.close();
    await rm(root, { recursive: true, force: true });
  });

  function boot(): Promise<{ code: number | null; output: string }> {
    return new Promise((resolve) => {
      const child = spawn(bootstrap, [], {
        env: {
          ...process.env,
          EPH_ROOT: root,
          AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.url,
          AWS_ENDPOINT_URL: bucket.url,
        },
      });
      let output = '';
      child.stdout.on('data', (chunk) => (output += chunk));
      child.stderr.on('data', (chunk) => (output += chunk));
      child.on('close', (code) => resolve({ code, output }));
    });
  }

  it('fetches the agent that the user data names, with a signed request, and becomes it', async () => {
    const { code, output } = await boot();
    expect(output).toContain('"agent":true,"boot":"7#42","instance":"i-0abc","region":"us-east-1"');
    expect(code).toBe(0);
    expect(bucket.requests).toEqual([`GET agent/${sha256}.mjs`]);
  });

  it('fetches it once, and again when the file on the disk is not the right one', async () => {
    await boot();
    await boot();
    expect(bucket.requests).toHaveLength(1);
    const [file] = await readdir(join(root, 'agent'));
    expect(file).toBe(`${sha256}.mjs`);
  });

  it('tries again when S3 is busy', async () => {
    bucket.failNext(1, 503);
    const { output } = await boot();
    expect(output).toContain('fetching the agent failed, trying again in 1 s');
    expect(output).toContain('"agent":true');
  });

  it('never runs a file that does not have the hash', async () => {
    bucket.put(`agent/${sha256}.mjs`, 'console.log("something else")');
    const booted = boot();
    await expect.poll(() => bucket.requests.length, { timeout: 10_000 }).toBe(1);
    bucket.put(`agent/${sha256}.mjs`, agent);
    const { output } = await booted;
    expect(output).toContain(`what was fetched is not the agent ${sha256}`);
    expect(output).not.toContain('something else');
    expect(output).toContain('"agent":true');
    expect(existsSync(join(root, 'agent', `${sha256}.mjs.new`))).toBe(false);
  });

  describe('of a machine whose deployment spec named another agent', () => {
    const newer = `${agent}/* newer */`;
    const wanted = createHash('sha256').update(newer).digest('hex');
    beforeEach(async () => {
      await writeFile(join(root, 'agent-wanted'), wanted);
    });

    it('starts that one, and keeps it over reboots once it has run', async () => {
      bucket.put(`agent/${wanted}.mjs`, newer);
      for (let reboot = 0; reboot < 5; reboot += 1) {
        const { output } = await boot();
        expect(output).toContain(`agent ${wanted.slice(0, 12)}`);
        await writeFile(join(root, 'agent-proven'), wanted);
      }
      expect(bucket.requests).toEqual([`GET agent/${wanted}.mjs`]);
    });

    it('continues with the agent of the launch when the other cannot be fetched', async () => {
      const { output } = await boot();
      expect(output).toContain(
        `agent ${wanted.slice(0, 12)} does not work here; going on with ${sha256.slice(0, 12)}`,
      );
      expect(output).toContain('"agent":true');
      expect(output).toContain(`"refused":"${wanted}"`);
      expect(existsSync(join(root, 'agent-wanted'))).toBe(false);
    });

    it('gives up the other agent after three starts in which it never reported that it runs', async () => {
      bucket.put(`agent/${wanted}.mjs`, newer);
      const outputs: string[] = [];
      for (let reboot = 0; reboot < 4; reboot += 1) outputs.push((await boot()).output);
      expect(outputs.map((output) => output.includes('does not work here'))).toEqual([
        false,
        false,
        false,
        true,
      ]);
      expect(outputs[3]).toContain(`agent ${sha256.slice(0, 12)}`);
    });

    it('runs the agent in the user data when the note is invalid', async () => {
      await writeFile(join(root, 'agent-wanted'), '../../etc/passwd');
      expect((await boot()).output).toContain(`agent ${sha256.slice(0, 12)}`);
    });
  });

  it('reads the user data of a stock image, which is a cloud-init configuration too', async () => {
    await imds.close();
    imds = await startImds({
      instanceId: 'i-0abc',
      userData: userDataOf(bootOf(sha256), 'c'.repeat(64)),
      region: 'us-east-1',
      zone: 'us-east-1a',
      credentials: () => credentials,
      listen: { host: '127.0.0.1', port: 0 },
    });
    imds.answerOnly('127.0.0.1');
    expect((await boot()).output).toContain('"agent":true,"boot":"7#42"');
  });
});
