import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cut,
  environmentName,
  fromTagValue,
  parseRecordComment,
  parseTunnelName,
  recordComment,
  serviceHostname,
  slug,
  tagValue,
  tunnelName,
} from '#core/names';

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** RFC 5891, 4.2.3.1 */
const reserved = /^..--/;
const repositoryName = fc.stringMatching(/^[A-Za-z0-9._-]{1,100}$/);
const repositoryId = fc.integer({ min: 1, max: 2 ** 40 });
const number = fc.integer({ min: 1, max: 9_999_999 });
const deploymentId = fc.stringMatching(/^[a-z][a-z0-9-]{0,18}[a-z0-9]$/);

describe('the name of an environment', () => {
  it('is a DNS label with room for the suffix, whatever the repository is called', async () => {
    await fc.assert(
      fc.asyncProperty(repositoryName, repositoryId, number, async (name, id, pull) => {
        const made = await environmentName(name, id, pull, 'key');
        expect(`${made}-pr`).toMatch(label);
        // Two dashes in a row stand between a service and the environment, and nowhere else.
        expect(made).not.toContain('--');
      }),
    );
  });

  it('stays the same from version to version: its address may be in somebody’s bookmarks', async () => {
    expect(await environmentName('shop', 1, 7, 'key')).toBe('shop-crisp-cedar-qxr99b-7');
    expect(await environmentName('shop', 123_456_789, 42, 'another key')).toBe('shop-coral-creek-vnd8vy-42');
    expect(cut('x'.repeat(100), 63)).toBe(`${'x'.repeat(56)}-npt82p`);
  });

  it('stays the same for a pull request, and is another one for each other pull request and each other key', async () => {
    const names = new Set<string>();
    for (let pull = 1; pull <= 500; pull += 1) names.add(await environmentName('shop', 1, pull, 'key'));
    for (let id = 2; id <= 500; id += 1) names.add(await environmentName('shop', id, 1, 'key'));
    names.add(await environmentName('shop', 1, 1, 'another key'));
    expect(names.size).toBe(1_000);
    expect(await environmentName('shop', 1, 7, 'key')).toBe(await environmentName('shop', 1, 7, 'key'));
  });
});

describe('the hostname of a service', () => {
  it('has a first label of at most 63 characters, also for names of 80 characters, and names that differ stay different', async () => {
    const service = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/);
    const main = `${await environmentName('a'.repeat(80), 123_456_789, 123_456, 'key')}-pr.example.com`;
    fc.assert(
      fc.property(service, service, (one, two) => {
        const [first = '', second = ''] = [one, two].map((name) => serviceHostname(name, main));
        expect(first.split('.')[0]).toMatch(label);
        expect(first.endsWith(`--${main}`)).toBe(true);
        expect(first).not.toMatch(reserved);
        if (slug(one) !== slug(two)) expect(first).not.toBe(second);
      }),
    );
    const long = Array.from({ length: 200 }, (_, n) => serviceHostname(`${'x'.repeat(80)}${n}`, main));
    expect(new Set(long).size).toBe(200);
  });

  it.each([
    ['api', 'api--shop-calm-reef-0a1b2c-7-pr.example.com'],
    ['a', 'a--shop-calm-reef-0a1b2c-7-pr.example.com'],
    ['db', 's--db--shop-calm-reef-0a1b2c-7-pr.example.com'],
    ['Q_1', 'q-1--shop-calm-reef-0a1b2c-7-pr.example.com'],
    ['-ui-', 's--ui--shop-calm-reef-0a1b2c-7-pr.example.com'],
    ['s--db', 's-db--shop-calm-reef-0a1b2c-7-pr.example.com'],
  ])('of %s is %s: no label has hyphens in its third and fourth place', (service, hostname) => {
    expect(serviceHostname(service, 'shop-calm-reef-0a1b2c-7-pr.example.com')).toBe(hostname);
    expect(hostname).not.toMatch(reserved);
  });

  it('is cut with a hash of the whole', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z0-9]{40,90}$/),
        fc.stringMatching(/^[a-z0-9]{40,90}$/),
        (one, two) => {
          expect(cut(one, 30).length).toBeLessThanOrEqual(30);
          if (one !== two) expect(cut(one, 30)).not.toBe(cut(two, 30));
        },
      ),
    );
  });
});

describe('a mark', () => {
  it('is read back as the row it was made for', () => {
    fc.assert(
      fc.property(deploymentId, repositoryId, number, fc.nat(1_000), (deployment, id, pull, epoch) => {
        const key = `${id}#${pull}`;
        expect(parseTunnelName(deployment, tunnelName(deployment, key, epoch))).toBe(key);
        expect(parseRecordComment(deployment, recordComment(deployment, key))).toBe(key);
        expect(fromTagValue(tagValue(key))).toBe(key);
        expect(recordComment(deployment, key).length).toBeLessThanOrEqual(100);
      }),
    );
  });

  it('of one Eph is never taken for that of another, also when one id begins with the other', () => {
    fc.assert(
      fc.property(deploymentId, deploymentId, repositoryId, number, (one, two, id, pull) => {
        fc.pre(one !== two);
        const key = `${id}#${pull}`;
        expect(parseTunnelName(one, tunnelName(two, key, 3))).toBeUndefined();
        expect(parseRecordComment(one, recordComment(two, key))).toBeUndefined();
      }),
    );
    expect(parseTunnelName('a2', tunnelName('a2-2', '7#7', 0))).toBeUndefined();
  });
});
