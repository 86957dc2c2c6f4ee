import { describe, expect, it } from 'vitest';
import { createCompose } from '../../host/compose.ts';
import { explainCommand, explainContainer } from '../../host/explain-failure.ts';
import { type RunCommand, runCommand, strikeOut } from '../../host/run-command.ts';

const secret = 'hunter2-of-production';
const redact = (text: string) => text.replaceAll(secret, '***');
const call = { folder: '/', files: [], envFiles: [] };
/** The secret is at the place where a text is cut to this length. */
const across = (length: number) => `${'x'.repeat(length - 8)}${secret}${'y'.repeat(100)}`;

describe('the output of a command that people read', () => {
  it('contains no secret, even before any of it is cut', async () => {
    const says = [200, 300, 500, 1_000, 2_000].map(across).join('\n');
    const run: RunCommand = async (_command, _args, options) => {
      options?.onLine?.(says);
      return { code: 1, stdout: says, stderr: says, ended: 'exited' };
    };
    const compose = createCompose(run, redact);
    for (const stage of ['pull', 'build', 'up'] as const) {
      const { stdout, stderr } = await compose[stage](call, {});
      const failure = explainCommand({
        stage: 'building',
        output: `${stdout}\n${stderr}`,
        root: '/checkout',
      });
      expect(JSON.stringify(failure), stage).not.toContain('hunter2');
    }
    expect((await compose.config(call)).stderr).not.toContain('hunter2');
    // The output for programs stays unchanged.
    expect((await compose.config(call)).stdout).toContain(secret);
    expect((await compose.logs('id', 30)).join()).not.toContain('hunter2');
    expect((await strikeOut(run, redact)('git', [])).stderr).not.toContain('hunter2');
  });

  it('contains no secret in what Docker keeps of a container', async () => {
    const inspected = {
      Id: 'a',
      RestartCount: 0,
      Image: 'sha256:web',
      Config: { Image: 'web', Labels: { 'com.docker.compose.service': 'web' } },
      HostConfig: {},
      State: {
        ...{ Status: 'running', ExitCode: 1, OOMKilled: false, StartedAt: '', Pid: 1 },
        Error: across(1_000),
        Health: { Status: 'unhealthy', Log: [{ ExitCode: 1, Output: across(300) }] },
      },
    };
    const run: RunCommand = async (_command, [what]) => ({
      code: 0,
      stdout: what === 'ps' ? 'a\n' : JSON.stringify([inspected]),
      stderr: '',
      ended: 'exited',
    });
    const [container] = await createCompose(run, redact).containers();
    if (!container) throw new Error('no container');
    for (const why of ['unhealthy', 'not-started'] as const) {
      expect(JSON.stringify(explainContainer(container, why, [])), why).not.toContain('hunter2');
    }
  });

  it('begins with a whole line where its beginning was dropped', async () => {
    const script = `process.stderr.write('x'.repeat(100) + '${secret}\\n' + ('y'.repeat(1000) + '\\n').repeat(600))`;
    const { stderr } = await runCommand(process.execPath, ['-e', script]);
    expect(stderr.length).toBeGreaterThan(500_000);
    expect(stderr.slice(0, 1_001)).toBe(`${'y'.repeat(1_000)}\n`);
  });
});
