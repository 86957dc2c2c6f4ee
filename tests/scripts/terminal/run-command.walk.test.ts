import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');

/** A command of three lines in a process of its own, with nobody at the keyboard. */
async function run(
  body: string,
  options: { environment?: Record<string, string>; input?: string } = {},
): Promise<{ code: number | null; output: string; stdout: string }> {
  const source = `
    import { runCommand } from '${root}/scripts/terminal/run-command.ts';
    import { Interrupted } from '${root}/infra/terminal/interrupted.ts';
    import { OperatorError } from '${root}/infra/terminal/operator-error.ts';
    import { UsageError } from '${root}/infra/terminal/usage-error.ts';
    await runCommand(async (terminal) => { ${body} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    env: { PATH: process.env['PATH'], ...options.environment },
  });
  child.stdin.end(options.input ?? '');
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (said.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (said.stderr += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, output: said.stdout + said.stderr, stdout: said.stdout };
}

describe('a command of the operator', () => {
  it('prints an error and how to repair it, without a stack', async () => {
    const { code, output } = await run(
      `throw new OperatorError('The zone is pending.', 'Change its nameservers.\\nOr wait.');`,
    );
    expect(code).toBe(1);
    expect(output).toBe('✗ The zone is pending.\n  → Change its nameservers.\n  → Or wait.\n');
  });

  it.each([
    `throw new OperatorError('The zone is pending.', 'Wait.');`,
    `throw new UsageError('There is no file.');`,
    `throw new Interrupted('Stopped.');`,
    `throw new TypeError('x is not a function');`,
    `throw Object.assign(new Error(), { name: 'ExitPromptError' });`,
  ])('says on stderr how it ended, and on stdout only what it was asked for: %s', async (end) => {
    expect((await run(`terminal.print('asked for'); ${end}`)).stdout).toBe('asked for\n');
  });

  it('ends with the code that it returns, with 2 for what was typed wrong and with 130 when interrupted', async () => {
    expect(await run('return 1;')).toMatchObject({ code: 1, output: '' });
    expect(await run(`throw new UsageError('There is no file.', 'Name another.');`)).toMatchObject({
      code: 2,
      output: '✗ There is no file.\n  → Name another.\n',
    });
    expect((await run(`throw new Interrupted('Stopped.');`)).code).toBe(130);
  });

  it('says where to look after a defect, and shows the stack on request', async () => {
    const body = `throw new TypeError('x is not a function');`;
    expect((await run(body)).output).toBe(
      '✗ x is not a function\n  EPH_DEBUG=1 shows where this comes from.\n',
    );
    expect((await run(body, { environment: { EPH_DEBUG: '1' } })).output).toContain('at ');
  });

  it('takes answers from the environment where nobody can be asked, and names what is missing', async () => {
    const body = `terminal.print(await terminal.ask({ name: 'ZONE', text: 'Which zone?' }));`;
    expect((await run(body, { environment: { ZONE: 'acme.dev' } })).output).toBe('acme.dev\n');
    const missing = await run(body);
    expect(missing.code).toBe(1);
    expect(missing.output).toContain('ZONE is not set, and nobody can be asked here: Which zone?');
  });

  it('refuses a wrong answer from the environment instead of asking', async () => {
    const body = `await terminal.ask({ name: 'ZONE', text: 'Which zone?', check: () => 'There is no such zone.' });`;
    const { code, output } = await run(body, { environment: { ZONE: 'x' } });
    expect(code).toBe(1);
    expect(output).toContain('ZONE: There is no such zone.');
  });

  it('reads a secret from standard input and never shows it', async () => {
    const body = `const secret = await terminal.askSecret({ name: 'TOKEN', text: 'Token' });
      terminal.print(String(secret.length));`;
    const { code, output } = await run(body, { input: 'hunter2secret\n' });
    expect({ code, output }).toEqual({ code: 0, output: '13\n' });
  });

  it('says how to give it a secret that is missing, and not to put it into the settings', async () => {
    const { code, output } = await run(`await terminal.askSecret({ name: 'TOKEN', text: 'Token' });`);
    expect(code).toBe(1);
    expect(output).toContain('TOKEN is not given, and nobody can be asked here: Token');
    expect(output).toContain('not in the settings file');
  });

  it('passes no control sequence of others to the terminal, wherever it prints them', async () => {
    const evil = String.raw`\u001b]0;owned\u0007\u001b[31mapi\u202e`;
    const body = `const evil = "${evil}";
      terminal.print(evil);
      terminal.heading(evil);
      terminal.mark('warning', evil, evil);
      await terminal.during(evil, async (progress) => progress(evil));
      throw new OperatorError(evil, evil);`;
    const { output } = await run(body);
    expect(output).toBe('api\n\napi\n! api\n  → api\n… api\n  api\n✗ api\n  → api\n');
    const withStack = await run(body, { environment: { EPH_DEBUG: '1' } });
    expect(withStack.output).not.toMatch(/(?!\n)\p{Cc}|\u202e/u);
  });

  it('shows progress as lines where the output is no terminal', async () => {
    const body = `terminal.print(await terminal.during('Baking', async (progress) => { progress('half'); return 'baked'; }));`;
    expect((await run(body)).output).toBe('… Baking\n  half\nbaked\n');
  });
});
