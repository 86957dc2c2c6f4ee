import { readFileSync } from 'node:fs';
import { DeleteCommand, DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assess } from '#core/assess';
import type { Row } from '#core/environment';
import { decide, type Facts } from '#core/lifecycle';
import { findStuck } from '#core/stuck';
import { summarize } from '#core/summary';
import { dynamoEnvironments } from '../../lambdas/adapters/dynamo-environments.ts';
import { decodeMessage } from '../../lambdas/decode-message.ts';
import { mailboxSpecSchema, progressSchema, resultSchema } from '../../lambdas/providers/ec2/mailbox.ts';
import { readReported } from '../../lambdas/providers/github/github-reported.ts';
import { partDue, viewOf } from '../../lambdas/providers/github/github-view.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { startTables } from './contracts/start-tables.ts';
import type { Emulated } from './contracts/wire-servers.ts';

/**
 * What version 0.1.0 wrote (`tests/fixtures/v1`, made by its own code, never changed since): rows as DynamoDB has
 * them, a deployment spec, a host's reports, jobs of the queue. A deploy over that version must read all of it.
 */
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/v1/${name}.json`, import.meta.url), 'utf8'));
const items = v.parse(v.record(v.string(), v.looseObject({ key: v.string() })), read('rows'));
const unasked: Facts = { pull: { kind: 'unasked' }, instance: { kind: 'unasked' } };
const { ingress } = createTestPlatform().ports;
const policy = { terminateAfter: 86_400_000, listed: true };

/** The step that an unchanged pull request leads to, an hour after the row was written. */
const expected: Record<string, string> = {
  deploying: 'replace-host',
  ready: 'wait',
  updating: 'give-up',
  failed: 'wait',
  'closed-with-disk': 'wait',
  declined: 'wait',
  queued: 'launch-host',
  destroyed: 'wait',
};

/** What this version reports again, because some texts and the phase of a row without a machine have changed. */
const due: Record<string, string> = {
  ready: 'comment',
  failed: 'comment',
  queued: 'deployment',
  'closed-with-disk': 'status',
  destroyed: 'status',
};

let emulated: Emulated;
const rows = new Map<string, Row>();

beforeAll(async () => {
  emulated = await startTables();
  const documents = DynamoDBDocumentClient.from(emulated.dynamodb);
  const environments = dynamoEnvironments(emulated.dynamodb, 'environments');
  for (const [name, Item] of Object.entries(items)) {
    await documents.send(new PutCommand({ TableName: 'environments', Item }));
    const row = await environments.read(Item.key);
    if (row) rows.set(name, row);
    // Each situation is taken alone, because two of them share a pull request.
    if (row && name === 'destroyed') expect((await environments.all()).rows.length).toBeGreaterThan(1);
  }
});
afterAll(() => emulated?.close());

describe('what the version before wrote', () => {
  it.each(Object.keys(expected))(
    'includes the row of an environment that is %s, which is read, decided on and shown',
    (name) => {
      const row = rows.get(name);
      if (!row) throw new Error(`there is no row "${name}"`);
      const now = row.state.phaseSince + 3_600_000;
      const { hostname } = row.state;
      const names = hostname ? [{ hostname, url: '' }] : [];
      const facts: Facts = {
        ...unasked,
        open: ingress.isOpen(row.state.ingress, names),
        pause: 'no',
        ...(row.state.pull && {
          pull: { kind: 'known', pull: row.state.pull, access: row.source.access },
        }),
      };
      const { state, ...wanted } = assess(row, facts, policy, now);
      expect(decide(state, { ...wanted, facts, reportDue: false }, now).kind).toBe(expected[name]);
      const summary = summarize(state, {
        environment: row.key,
        number: row.number,
        urlTemplate: 'https://{host}',
        reachable: ingress.isOpen(row.state.ingress, names),
        required: false,
      });
      const told = readReported(state.told);
      if (!summary || told === 'unknown') throw new Error('what was told cannot be read');
      const view = viewOf(summary, told, 'test');
      expect(view.comment ?? '').not.toContain('undefined');
      expect(partDue(summary, told, view)).toBe(due[name]);
      expect(findStuck([row], now)).toEqual([]);
    },
  );

  it('is read although a newer version wrote a row too, which is known by its key', async () => {
    const documents = DynamoDBDocumentClient.from(emulated.dynamodb);
    const newer = { ...items['ready'], key: '9#9', v: 2 };
    await documents.send(new PutCommand({ TableName: 'environments', Item: newer }));
    const environments = dynamoEnvironments(emulated.dynamodb, 'environments');
    const all = await environments.all();
    expect(all.unreadable).toEqual(['9#9']);
    expect(all.rows.length).toBeGreaterThan(1);
    await expect(environments.read('9#9')).resolves.toBeUndefined();
    await documents.send(new DeleteCommand({ TableName: 'environments', Key: { key: '9#9' } }));
  });

  it('has one row of each situation', () => {
    expect([...rows.keys()].sort()).toEqual(Object.keys(expected).sort());
  });

  it('includes a deployment spec, which a host that was off finds in its mailbox', () => {
    expect(v.safeParse(mailboxSpecSchema, read('order')).issues).toBeUndefined();
  });

  it('includes reports of a host with the old agent', () => {
    expect(v.safeParse(progressSchema, read('progress')).issues).toBeUndefined();
    expect(v.safeParse(resultSchema, read('result')).issues).toBeUndefined();
    expect(v.safeParse(resultSchema, read('result-failed')).issues).toBeUndefined();
  });

  it('includes jobs, which the queue holds during the deploy', async () => {
    const { compute } = createTestPlatform().ports;
    const jobs = v.parse(v.array(v.unknown()), read('jobs'));
    expect(jobs.length).toBeGreaterThan(4);
    for (const job of jobs)
      expect(await decodeMessage(JSON.stringify(job), compute)).not.toMatchObject({ kind: 'malformed' });
  });
});
