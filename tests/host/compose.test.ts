import { describe, expect, it } from 'vitest';
import { createCompose } from '../../host/compose.ts';
import type { CommandOptions, RunCommand } from '../../host/run-command.ts';

describe('docker compose', () => {
  const call = { folder: '/eph/source/deploy', files: ['/eph/source/deploy/compose.yaml'], envFiles: ['/e'] };
  const runs: { args: readonly string[]; options: CommandOptions }[] = [];
  const run: RunCommand = async (_command, args, options = {}) => {
    runs.push({ args, options });
    return { code: 0, stdout: '', stderr: '', ended: 'exited' };
  };
  const compose = createCompose(run, (text) => text);

  it("gets the project's folder as $PWD, as in a shell there", async () => {
    runs.length = 0;
    await compose.config(call);
    await compose.up({ ...call, folder: '/eph/app/deploy' }, {});
    expect(runs.map(({ options }) => options.env)).toEqual([
      { PWD: '/eph/source/deploy' },
      { PWD: '/eph/app/deploy' },
    ]);
  });

  it('gets no policy for pulls: it would override what our file says of images that are built', async () => {
    runs.length = 0;
    await compose.pull(call, {});
    expect(runs[0]?.args.slice(-2)).toEqual(['pull', '--ignore-buildable']);
  });

  it('fetches nothing that exists when it starts: a wake and a rollback start the images they had', async () => {
    runs.length = 0;
    await compose.up(call, {});
    expect(runs[0]?.args.join(' ')).toContain('up --detach --no-build --pull missing');
  });
});
