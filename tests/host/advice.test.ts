import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parseAst } from 'vitest/node';
import { parsePreviewConfig } from '#core/parse-preview-config';
import { previewConfigSchema } from '#core/preview-config';
import { planServices } from '../../host/plan-services.ts';
import { interpolatedVariables } from '../../host/preview-variables.ts';
import { validateConfig } from '../../lambdas/providers/ec2/validate-config.ts';
import { decideOn } from '../fakes/decide-on.ts';
import { readyState, sampleSentSpec } from '../fakes/sample-state.ts';
import { specFor } from './compose-fixtures.ts';

const literal = v.object({ type: v.literal('Literal'), value: v.string() });
const template = v.object({
  type: v.literal('TemplateLiteral'),
  quasis: v.array(v.object({ value: v.object({ cooked: v.string() }) })),
});

/**
 * Every sentence in the host's code, without its values. The advice in them must work: people were told to close and
 * reopen for an empty disk, although the disk was not empty, and to comment `/eph deploy`, which did not exist.
 */
const root = join(import.meta.dirname, '../..');
const sentences = readdirSync(join(root, 'host'))
  .filter((name) => name.endsWith('.ts'))
  .flatMap((name) => textsOf(name).map((text): [file: string, text: string] => [name, text]))
  .filter(([, text]) => /[A-Za-z] [A-Za-z`]/.test(text));

/** A value that is put in is written `…`. */
function textsOf(name: string): string[] {
  const program: unknown = parseAst(readFileSync(join(root, 'host', name), 'utf8'), { lang: 'ts' });
  const texts: string[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if (v.is(literal, node)) texts.push(node.value);
    if (v.is(template, node)) texts.push(node.quasis.map((part) => part.value.cooked).join('…'));
    Object.values(node).forEach(visit);
  };
  visit(program);
  return texts;
}

const matches = (pattern: RegExp): [file: string, found: string][] =>
  sentences.flatMap(([file, text]) =>
    [...text.matchAll(pattern)].map((match): [string, string] => [file, match[1] ?? match[0]]),
  );

describe('what a sentence of the host advises', () => {
  it('is found by this test', () => {
    expect(sentences.length).toBeGreaterThan(150);
    expect(matches(/eph\.yaml/g).length).toBeGreaterThan(15);
  });

  it('names no command and no option that does not exist', () => {
    expect(matches(/\/eph \w+|\bredeploy|fresh preview|\breopen/gi)).toEqual([]);
  });

  it('names a target of make where it says make', () => {
    const makefile = readFileSync(join(root, 'Makefile'), 'utf8');
    const targets = matches(/`make ([a-z-]+)/g);
    expect(targets.length).toBeGreaterThan(0);
    for (const [file, target] of targets) expect(makefile, file).toMatch(new RegExp(`^${target}:`, 'm'));
  });

  it('names a key of eph.yaml where it says so', () => {
    const keys = matches(/`([a-z_.]+)`(?: or `[a-z_.]+`)? in eph\.yaml/g);
    expect(keys.length).toBeGreaterThan(5);
    const healthCheck = ['path', 'status', 'timeout', 'interval'].map((key) => `health_check.${key}`);
    for (const [file, key] of keys) {
      expect([...Object.keys(previewConfigSchema.entries), ...healthCheck], file).toContain(key);
    }
  });

  it('gives a line for eph.yaml that eph.yaml accepts', () => {
    const lines = matches(/eph\.yaml \(`([^`]+)`\)/g);
    expect(lines.length).toBeGreaterThan(0);
    for (const [file, line] of lines) {
      const written = line.replace(/…:…$/, 'web:3000').replaceAll('…', 'web');
      expect(parsePreviewConfig(written, validateConfig), `${file}: ${line}`).toMatchObject({ ok: true });
    }
  });

  it('names variables that a preview has', () => {
    const spec = specFor('shop');
    const project = { services: { web: { ports: [{ target: 80, published: '80' }] } } };
    const { config, hostname } = spec;
    const machine = { arch: 'amd64', cpus: 2 };
    const plan = planServices({ project, config, hostname, repository: 'shop', root: '/', machine });
    const known = interpolatedVariables(spec, plan.ok ? plan.services : []);
    const variables = matches(/`(?:\$\{)?(EPH_[A-Z_]+)\b/g);
    expect(variables).not.toEqual([]);
    for (const [file, name] of variables) {
      expect(Object.keys(known), file).toContain(name.replace(/_$/, '_WEB'));
    }
  });

  it('asks for a new pull request where it advises a larger machine: the size is that of the launch', () => {
    const larger = sentences.filter(([, text]) => text.includes('instance_type'));
    expect(larger).not.toEqual([]);
    for (const [file, text] of larger) {
      expect(text, file).toContain('in a new pull request');
    }
  });

  it('says to push again only where another push is another try', () => {
    expect(matches(/another push|push again/gi).length).toBeGreaterThan(2);
    const failure = { code: 'x', sentence: 'x', sha: 'b'.repeat(40), at: 0, log: [] };
    const state = readyState({ failure, order: { ...sampleSentSpec, sha: failure.sha, finished: 'failed' } });
    const facts = { pull: { kind: 'unasked' }, instance: { kind: 'unasked' }, open: true } as const;
    const step = decideOn(state, facts, { terminateAfter: 1, listed: true }, false, 1_000);
    expect(step.kind).toBe('write-spec');
  });
});
