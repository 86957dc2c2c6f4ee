import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Problem, parsePreviewConfig } from '#core/parse-preview-config';
import { defaultPreviewConfig, type PreviewConfig, previewConfigSchema } from '#core/preview-config';
import { previewJsonSchema, schemaFile } from '../../host/write-schema.ts';

const full = `
version: 1
compose: [compose.yaml, deploy/compose.preview.yaml]
primary: web:3000
routes:
  /api: api:8080
  /docs: { service: docs, strip_prefix: true }
env:
  LOG_LEVEL: debug
  WORKERS: 2
  CACHE: false
instance_type: t3.large
health_check: { path: /healthz, status: 204, timeout: 60, interval: 1 }
`;

/** Reads it as a compute with all features does. */
const read = (text: string) => parsePreviewConfig(text, () => []);

function problemsOf(text: string, validate: (config: PreviewConfig) => Problem[] = () => []): string[] {
  const parsed = parsePreviewConfig(text, validate);
  return parsed.ok
    ? []
    : parsed.problems.map(({ line, column, sentence }) => `${line}:${column ?? '-'} ${sentence}`);
}

describe('eph.yaml', () => {
  it('is read completely', () => {
    expect(read(full)).toEqual({
      ok: true,
      config: {
        version: 1,
        compose: ['compose.yaml', 'deploy/compose.preview.yaml'],
        primary: 'web:3000',
        routes: {
          '/api': { service: 'api', port: 8080, strip_prefix: false },
          '/docs': { service: 'docs', strip_prefix: true },
        },
        env: { LOG_LEVEL: 'debug', WORKERS: '2', CACHE: 'false' },
        instance_type: 't3.large',
        health_check: { path: '/healthz', status: 204, timeout: 60, interval: 1 },
      },
    });
  });

  it('may be empty, and then sets nothing', () => {
    expect(read('')).toEqual({ ok: true, config: defaultPreviewConfig });
    expect(read('# nothing yet\n')).toEqual({ ok: true, config: defaultPreviewConfig });
  });

  it('is part of a deployment spec and is parsed again there to the same', () => {
    const parsed = read(full);
    if (!parsed.ok) throw new Error('must parse');
    expect(v.parse(previewConfigSchema, JSON.parse(JSON.stringify(parsed.config)))).toEqual(parsed.config);
  });

  it('is read by an agent that does not know a new key yet', () => {
    expect(v.is(previewConfigSchema, { ...defaultPreviewConfig, later: true })).toBe(true);
  });

  it.each([
    ['primry: web', '1:1 `primry` is not a key of eph.yaml. Did you mean `primary`?'],
    [
      'volumes: x',
      '1:1 `volumes` is not a key of eph.yaml. Known keys: `version`, `compose`, `env_file`, `primary`, `routes`, `env`, `instance_type`, `arch`, `health_check`.',
    ],
    [
      'health_check:\n  intervall: 3',
      '2:3 `intervall` is not a key of `health_check`. Did you mean `interval`?',
    ],
    [
      'routes:\n  /x: { service: a, prot: 1 }',
      '2:21 `prot` is not a key of `routes./x`. Did you mean `port`?',
    ],
    ['version: 2', '1:10 `version` is 2: expected 1, the only version there is.'],
    [
      'compose: ../compose.yaml',
      '1:10 `compose` is "../compose.yaml": expected the path of a compose file inside the repository, like `docker/compose.yaml`.',
    ],
    [
      'compose:\n  - a.yaml\n  - /etc/passwd',
      '3:5 `compose.1` is "/etc/passwd": expected the path of a compose file inside the repository, like `docker/compose.yaml`.',
    ],
    ['compose: []', '1:10 `compose` is a list of 0: expected at least one file name.'],
    [
      'primary: web:99999',
      '1:10 `primary` is "web:99999": expected a port number from 1 to 65535 after the colon.',
    ],
    [
      'primary: web server',
      '1:10 `primary` is "web server": expected a compose service, like `web` or `web:3000`.',
    ],
    [
      'routes:\n  /a: api:99999',
      '2:7 `routes./a` is "api:99999": expected a port number from 1 to 65535 after the colon.',
    ],
    [
      'primary: web server:99999',
      '1:10 `primary` is "web server:99999": expected a compose service, like `web` or `web:3000`.',
    ],
    [
      'primary: { web: 3000 }',
      '1:10 `primary` is a map: expected a compose service, like `web` or `web:3000`.',
    ],
    [
      `primary: ${'x'.repeat(58)}!`,
      `1:10 \`primary\` is "${'x'.repeat(58)}!...: expected a compose service, like \`web\` or \`web:3000\`.`,
    ],
    [
      `primary: ${'x'.repeat(57)}!`,
      `1:10 \`primary\` is "${'x'.repeat(57)}!": expected a compose service, like \`web\` or \`web:3000\`.`,
    ],
    ['routes: [a]', '1:9 `routes` is a list: expected a map.'],
    [
      'routes:',
      '1:1 `routes` is empty: expected a map from path to service, like `/api: api:8080`, or leave the key out.',
    ],
    [
      'routes:\n  /api/: api',
      '2:3 `/api/` is not allowed here: expected a path below `/`, like `/api` (letters, digits, `.`, `_`, `~`, `-`; no slash at the end).',
    ],
    ['routes:\n  /a: { port: 1 }', '2:7 `service` is missing in `routes./a`.'],
    [
      'env:\n  EPH_URL: x',
      '2:3 `EPH_URL` is not allowed here: expected a variable name: letters, digits and `_`; `EPH` and `EPH_*` are set by Eph itself.',
    ],
    ['env:\n  A:\n', '2:3 `env.A` is empty: expected text, a number, true or false, or leave the key out.'],
    ['env:\n  A: [1]', '2:6 `env.A` is a list of 1: expected text, a number, true or false.'],
    ['instance_type: 3', '1:16 `instance_type` is 3: expected the name of a machine type.'],
    [
      'instance_type:',
      '1:1 `instance_type` is empty: expected the name of a machine type, or leave the key out.',
    ],
    ['arch: aarch64', '1:7 `arch` is "aarch64": expected `amd64` or `arm64`.'],
    [
      'health_check: { timeout: 9999 }',
      '1:26 `health_check.timeout` is 9999: expected a whole number of seconds from 5 to 1800.',
    ],
    [
      'health_check: { path: healthz }',
      '1:23 `health_check.path` is "healthz": expected a path, like `/healthz`.',
    ],
    ['- web', '1:- eph.yaml is a list of 1: expected a map of settings, like `primary: web`.'],
    ['env: { A: 1, A: 2 }', '1:14 This is not valid YAML: Map keys must be unique.'],
    ['primary: "web', '1:14 This is not valid YAML: Missing closing "quote.'],
  ])('names line, key and what was expected: %s', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  it('lists every problem, in the order of the lines', () => {
    const problems = problemsOf('health_check:\n  timeout: soon\nprimry: x\ninstance_type: 3\n');
    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['2', '3', '4']);
  });

  it('is checked by the compute too, whose problems stand among the others', () => {
    const noArm = ({ arch }: PreviewConfig): Problem[] =>
      arch === 'arm64' ? [{ path: ['arch'], wrong: '`arch` is "arm64"', fix: 'leave it out.' }] : [];
    const text = 'health_check:\n  timeout: soon\narch: arm64\nprimry: x\n';
    expect(problemsOf(text, noArm)).toEqual([
      '2:12 `health_check.timeout` is "soon": expected a whole number of seconds from 5 to 1800.',
      '3:7 `arch` is "arm64": leave it out.',
      '4:1 `primry` is not a key of eph.yaml. Did you mean `primary`?',
    ]);
    expect(problemsOf('arch: amd64', noArm)).toEqual([]);
  });

  it.each([
    ['without the keys that are broken', 'primary: { x: 1 }\nenv: { A: b }', { env: { A: 'b' } }],
    ['without a list in the place of a map', 'env: [a]\ninstance_type: large', { instance_type: 'large' }],
    ['without the machine’s type where its architecture is none', 'arch: x\ninstance_type: large', {}],
    ['without its architecture where its type is none', 'arch: arm64\ninstance_type: 3', {}],
  ])('is judged by the compute %s', (_what, text, judged) => {
    const seen: PreviewConfig[] = [];
    problemsOf(text, (config) => {
      seen.push(config);
      return [];
    });
    expect(seen).toEqual([{ ...defaultPreviewConfig, ...judged }]);
  });

  it('can always be read, whatever it contains', () => {
    const key = fc.constantFrom(...Object.keys(previewConfigSchema.entries), 'other');
    fc.assert(
      fc.property(fc.dictionary(key, fc.jsonValue()), (file) => {
        expect(() => problemsOf(JSON.stringify(file))).not.toThrow();
      }),
    );
  });

  it('is never larger than 64 KB and never explodes through aliases', () => {
    expect(problemsOf(`primary: ${'x'.repeat(70_000)}`)).toEqual(['1:- eph.yaml is larger than 64 KB.']);
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${[...'bcdefgh'].map((name, index) => `${name}: &${name} [${`*${'abcdefgh'[index]},`.repeat(9)}]`).join('\n')}`;
    expect(problemsOf(bomb)).toEqual([
      '1:- This is not valid YAML: Excessive alias count indicates a resource exhaustion attack.',
    ]);
    expect(problemsOf(`#${'x'.repeat(64 * 1024 - 1)}`)).toEqual([]);
    expect(problemsOf(`#${'x'.repeat(64 * 1024)}`)).toEqual(['1:- eph.yaml is larger than 64 KB.']);
    expect(problemsOf(`# ${'漢'.repeat(22_000)}`)).toEqual(['1:- eph.yaml is larger than 64 KB.']);
  });

  it('holds at most 32 KB of settings, also where aliases make a small file large', () => {
    const text = (length: number) =>
      `env:\n  A: &a ${'x'.repeat(length)}\n${Array.from({ length: 39 }, (_, n) => `  A${n}: *a`).join('\n')}`;
    expect(problemsOf(text(800))).toEqual([]);
    expect(problemsOf(text(900))).toEqual([
      '2:3 The settings take 36 KB: expected at most 32 KB together. Keep long values in a file of the repository.',
    ]);
  });

  it('has no half characters, which an escape can write and no store accepts', () => {
    expect(problemsOf('env:\n  A: "\\ud83d\\ude00"\n')).toEqual([]);
    expect(problemsOf('env:\n  A: x\n  B: "\\ud83d"\n')).toEqual([
      '3:6 `B` has half a character: an escape like `\\ud83d` needs its other half.',
    ]);
  });
});

describe('the JSON Schema of eph.yaml', () => {
  it('is up to date: node host/write-schema.ts writes it', () => {
    expect(JSON.parse(readFileSync(schemaFile, 'utf8'))).toEqual(previewJsonSchema());
  });

  it('accepts what the parser accepts, and refuses what it refuses', () => {
    const validate = new Ajv({ strict: false }).compile(previewJsonSchema());
    expect(validate(parse(full))).toBe(true);
    for (const text of [
      'primry: web',
      'version: 2',
      'compose: ../x',
      'instance_type: p5.48xlarge',
      'health_check: { timeout: 1 }',
      'env: { EPH_URL: x }',
    ]) {
      expect(validate(parse(text)), text).toBe(false);
    }
  });
});
