import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { environmentKey } from '#core/environment-key';
import { cut, environmentName, serviceHostname, slug } from '#core/names';
import { keyedHash } from '../../lambdas/keyed-hash.ts';

const hash = keyedHash('key');
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** RFC 5891, 4.2.3.1 */
const reserved = /^..--/;
const repositoryName = fc.stringMatching(/^[A-Za-z0-9._-]{1,100}$/);
const repositoryId = fc.integer({ min: 1, max: 2 ** 40 });
const number = fc.integer({ min: 1, max: 9_999_999 });

describe('the name of an environment', () => {
  it('is a DNS label with room for the suffix, whatever the repository is called', () => {
    fc.assert(
      fc.property(repositoryName, repositoryId, number, (name, id, pull) => {
        const made = environmentName(name, environmentKey(id, pull), hash);
        expect(`${made}-pr`).toMatch(label);
        // Two dashes in a row stand between a service and the environment, and nowhere else.
        expect(made).not.toContain('--');
      }),
    );
  });

  it('stays the same from version to version, because people keep its address', () => {
    expect(environmentName('shop', environmentKey(1, 7), keyedHash('key'))).toBe('shop-crisp-cedar-qxr99b-7');
    expect(cut('x'.repeat(100), 63)).toBe(`${'x'.repeat(56)}-npt82p`);
  });

  it('stays the same for a pull request, and is another one for each other pull request and each other key', () => {
    const names = new Set<string>();
    for (let pull = 1; pull <= 500; pull += 1)
      names.add(environmentName('shop', environmentKey(1, pull), hash));
    for (let id = 2; id <= 500; id += 1) names.add(environmentName('shop', environmentKey(id, 1), hash));
    names.add(environmentName('shop', environmentKey(1, 1), keyedHash('another key')));
    expect(names.size).toBe(1_000);
    expect(environmentName('shop', environmentKey(1, 7), hash)).toBe(
      environmentName('shop', environmentKey(1, 7), hash),
    );
  });
});

describe('the name of a pull request that was opened before', () => {
  it.each([
    ['shop', 1, 7, 'key', 'shop-crisp-cedar-qxr99b-7'],
    ['Acme.Web_Shop', 123_456_789, 42, 'another key', 'acme-web-shop-coral-creek-vnd8vy-42'],
  ])('in %s, %i#%i, is what it was, because people keep its address', (repository, id, pull, key, name) => {
    expect(environmentName(repository, environmentKey(id, pull), keyedHash(key))).toBe(name);
  });
});

describe('the hostname of a service', () => {
  it('has a first label of at most 63 characters, also for names of 80 characters, and names that differ stay different', () => {
    const service = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/);
    const main = `${environmentName('a'.repeat(80), environmentKey(123_456_789, 123_456), hash)}-pr.example.com`;
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
  ])('of %s is %s, where no label has hyphens in its third and fourth place', (service, hostname) => {
    expect(serviceHostname(service, 'shop-calm-reef-0a1b2c-7-pr.example.com')).toBe(hostname);
    expect(hostname).not.toMatch(reserved);
  });

  it('is cut, and then ends with a hash of the whole', () => {
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
