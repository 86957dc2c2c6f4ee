import { describe, expect, it } from 'vitest';
import { ephAdmin } from '../../../scripts/commands.ts';
import { parseArguments } from '../../../scripts/program/parse-arguments.ts';

function read(line: string) {
  const asked = parseArguments(ephAdmin, line.split(' ').filter(Boolean));
  if (asked.is !== 'command') throw new Error(asked.is === 'mistake' ? asked.mistake.message : asked.text);
  return { name: asked.command.name, values: asked.values, envFile: asked.envFile };
}

function mistake(...words: string[]) {
  const asked = parseArguments(ephAdmin, words);
  if (asked.is !== 'mistake') throw new Error(`${words.join(' ')} is no mistake`);
  const { message, fix } = asked.mistake;
  return { message, fix, text: asked.text };
}

function text(...words: string[]) {
  const asked = parseArguments(ephAdmin, words);
  if (asked.is !== 'text') throw new Error(`${words.join(' ')} is ${asked.is}`);
  return asked.text;
}

const hour = 3_600_000;

describe('words after eph-admin', () => {
  it.each([
    ['setup', 'setup', { part: undefined }],
    ['setup sign-in', 'setup', { part: 'sign-in' }],
    ['plan', 'plan', {}],
    ['deploy', 'deploy', { yes: false, noSmoke: false }],
    ['deploy --yes --no-smoke', 'deploy', { yes: true, noSmoke: true }],
    ['smoke', 'smoke', {}],
    ['destroy', 'destroy', { confirm: undefined }],
    ['destroy --confirm main', 'destroy', { confirm: 'main' }],
    ['doctor', 'doctor', {}],
    ['logs', 'logs', { pull: undefined, since: hour, follow: false }],
    [
      'logs --pr=acme/shop#1 --since 2d --follow',
      'logs',
      { pull: 'acme/shop#1', since: 48 * hour, follow: true },
    ],
    ['trace gitlab:acme/shop#12', 'trace', { pull: 'gitlab:acme/shop#12' }],
    ['cost', 'cost', { types: undefined }],
    ['cost --types t3.small,t4g.large', 'cost', { types: ['t3.small', 't4g.large'] }],
    ['pause', 'pause', { sleep: false }],
    ['pause --sleep', 'pause', { sleep: true }],
    ['resume', 'resume', {}],
    ['secret set acme/shop KEY', 'secret set', { repository: 'acme/shop', name: 'KEY' }],
    ['secret list acme/shop.js', 'secret list', { repository: 'acme/shop.js' }],
    ['secret remove acme/shop KEY', 'secret remove', { repository: 'acme/shop', name: 'KEY' }],
    ['rotate webhook-secret', 'rotate webhook-secret', { dropPrevious: false }],
    ['rotate webhook-secret --drop-previous', 'rotate webhook-secret', { dropPrevious: true }],
    ['rotate worker-key', 'rotate worker-key', {}],
    ['rotate cloudflare-token', 'rotate cloudflare-token', {}],
    ['rotate app-key', 'rotate app-key', {}],
    ['test-token', 'test-token', { show: false }],
    ['test-token --show', 'test-token', { show: true }],
    ['image build', 'image build', { arch: 'x86_64', force: false }],
    ['image build --arch arm64 --force', 'image build', { arch: 'arm64', force: true }],
    ['worker deploy', 'worker deploy', {}],
    ['functions deploy', 'functions deploy', {}],
    ['functions package', 'functions package', {}],
    ['stack diff', 'stack diff', {}],
    ['stack deploy', 'stack deploy', {}],
    ['stack destroy --confirm main', 'stack destroy', { confirm: 'main' }],
  ])('%s', (line, name, values) => {
    expect(read(line)).toEqual({ name, values, envFile: undefined });
  });

  it('are tested above for every command of the table, and each example works', () => {
    for (const { name, examples } of ephAdmin.commands) {
      expect(examples.length, name).toBeGreaterThan(0);
      for (const example of examples) expect(read(example.split(' < ')[0] ?? '').name).toBe(name);
    }
  });

  it.each(['--env production.env secret list acme/shop', 'secret list acme/shop --env=production.env'])(
    'name the settings file anywhere: %s',
    (line) => {
      expect(read(line)).toMatchObject({ name: 'secret list', envFile: 'production.env' });
    },
  );

  it.each([
    [['paus'], "unknown command 'paus'", 'Did you mean pause?'],
    [['paus', '--help'], "unknown command 'paus'", 'Did you mean pause?'],
    [['help', 'paus'], "unknown command 'paus'", 'Did you mean pause?'],
    [['secret', 'lst', 'acme/shop'], "unknown command 'lst'", 'Did you mean list?'],
    [['rotate', 'webhok-secret'], "unknown command 'webhok-secret'", 'Did you mean webhook-secret?'],
    [['pause', '--slepe'], "unknown option '--slepe'", 'Did you mean --sleep?'],
    [
      ['rotate', 'worker-key', '--drop-previous'],
      "unknown option '--drop-previous'",
      'rotate worker-key --help',
    ],
    [
      ['setup', 'cloudfare'],
      'part: "cloudfare" is none of aws, cloudflare, github, sign-in.',
      'Did you mean cloudflare?',
    ],
    [
      ['image', 'build', '--arch', 'arm46'],
      '--arch: "arm46" is none of x86_64, amd64, arm64.',
      'Did you mean arm64?',
    ],
    [['image', 'build', '--arch', 'sparc'], '--arch: "sparc" is none of', 'image build --help'],
    [['logs', '--since', 'yesterday'], '--since: "yesterday" is no time.', '30m, 6h or 2d'],
    [['logs', '--pr', 'shop'], '--pr: "shop" is no pull request.', 'acme/shop#1'],
    [['logs', '--pr'], "option '--pr <owner/repo#1>' argument missing", 'logs --help'],
    [['trace'], "missing required argument 'owner/repo#1'", 'trace --help'],
    [['trace', ''], "missing required argument 'owner/repo#1'", 'trace --help'],
    [['trace', 'acme/shop'], 'owner/repo#1: "acme/shop" is no pull request.', 'acme/shop#1'],
    [['secret', 'set', 'shop', 'KEY'], 'owner/repo: "shop" is no repository.', 'acme/shop'],
    [['secret', 'set', 'acme/shop'], "missing required argument 'NAME'", 'secret set --help'],
    [['secret', 'set', '', ''], "missing required argument 'owner/repo'", 'secret set --help'],
    [['secret', 'list', 'acme/..'], 'owner/repo: "acme/.." is no repository.', 'acme/shop'],
    [['trace', 'acme/shop#0'], '"acme/shop#0" is no pull request.', 'acme/shop#1'],
    [['trace', `acme/shop#${'9'.repeat(30)}`], 'is no pull request.', 'acme/shop#1'],
    [['trace', 'acme/sh\u001bop#1'], 'is no pull request.', 'acme/shop#1'],
    [['logs', '--since', '0m'], '"0m" is no time.', '30m, 6h or 2d'],
    [['logs', '--since', '99999999999d'], '"99999999999d" is no time.', '30m, 6h or 2d'],
    [['plan', '--env', ''], '--env is empty', './scripts/eph-admin.ts plan --help'],
    [['destroy', '--confirm', ''], '--confirm is empty', 'destroy --help'],
    [['cost', '--types='], '--types is empty', 'cost --help'],
    [['cost', '--types', ' ,'], '--types: " ," names nothing.', 'cost --help'],
    [['plan', '--env', 'a.env', '--env', 'b.env'], '--env is typed twice', '--help'],
    [['--env', 'a.env', 'plan', '--env', 'b.env'], '--env is typed twice', '--help'],
    [['logs', '--since', '1h', '--since', '2h'], '--since is typed twice', 'logs --help'],
    [['--env', 'a.env', 'paus', '--help'], "unknown command 'paus'", 'Did you mean pause?'],
    [['--help', 'paus'], "unknown command 'paus'", 'Did you mean pause?'],
    [['pause', 'now'], "too many arguments for 'pause'", 'pause --help'],
    [['plan', 'deploy'], "too many arguments for 'plan'", 'plan --help'],
  ])('that are wrong are refused with what was probably meant: %j', (words, message, fix) => {
    const said = mistake(...words);
    expect(said.message).toContain(message);
    expect(said.fix).toContain(fix);
    expect(said.text).toBe('');
  });

  it('get a list of the noun’s commands if they stop at a noun', () => {
    const { message, text: shown } = mistake('rotate');
    expect(message).toBe('Which command?');
    expect(shown).toMatch(/webhook-secret +Replaces/);
  });

  it('ask for help in three ways, and for the whole help if there are none', () => {
    const help = text('secret', 'set', '--help');
    expect(text('help', 'secret', 'set')).toBe(help);
    expect(text('secret', 'set', '-h')).toBe(help);
    expect(text('--help', 'secret', 'set')).toBe(help);
    expect(text('--env', 'a.env', 'secret', 'set', '--help')).toBe(help);
    expect(text()).toBe(text('--help'));
    expect(text('help')).toBe(text('--help'));
    expect(text('help', 'help')).toBe(text('--help'));
  });

  it('ask for the version', () => {
    expect(text('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
