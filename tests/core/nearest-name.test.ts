import { describe, expect, it } from 'vitest';
import { nearestName } from '#core/nearest-name';

describe('the name that was probably meant', () => {
  it.each([
    ['prmary', ['routes', 'primary'], 'primary', 'a letter is missing'],
    ['primmary', ['routes', 'primary'], 'primary', 'a letter is too much'],
    ['primery', ['routes', 'primary'], 'primary', 'a letter is another'],
    ['ab', ['cb', 'ab'], 'ab', 'it is one of them'],
    ['hat', ['cat', 'bat'], 'cat', 'of two that are as near, the first'],
    ['xbcdef', ['uvwxyz', 'abcdef'], 'abcdef', 'the nearest, not the first'],
    ['Health-Check', ['health_check'], 'health_check', 'it is written otherwise'],
    ['a', ['ab'], 'ab', 'one letter may be wrong in the shortest word'],
    ['abcdef', ['abcdxy'], 'abcdxy', 'two may be in one of six'],
    ['abcdefghi', ['abcdefxyz'], 'abcdefxyz', 'and three in one of nine'],
  ])('of %s among %j is %s: %s', (word, names, found) => {
    expect(nearestName(word, names)).toBe(found);
  });

  it.each([
    ['cat', ['cup'], 'two of three letters differ'],
    ['abcde', ['abcxy'], 'two of five letters differ'],
    ['abcdefgh', ['abcdexyz'], 'three of eight letters differ'],
    ['volumes', ['primary', 'routes'], 'nothing is alike'],
    ['a', ['xyz'], 'the other is longer by more than may be wrong'],
    ['xyz', ['a'], 'the other is shorter by more than may be wrong'],
    ['web', [], 'there are no names'],
  ])('of %s among %j is none: %s', (word, names) => {
    expect(nearestName(word, names)).toBeUndefined();
  });

  it('counts two neighbours that changed places as one wrong letter', () => {
    expect(nearestName('ba', ['ab'], 1)).toBe('ab');
    expect(nearestName('ba', ['ab'], 0)).toBeUndefined();
    expect(nearestName('abdc', ['abcd'], 1)).toBe('abcd');
    expect(nearestName('badc', ['abcd'], 1)).toBeUndefined();
    expect(nearestName('badc', ['abcd'], 2)).toBe('abcd');
    expect(nearestName('abxd', ['abcx'], 1)).toBeUndefined();
    expect(nearestName('abc', ['cab'], 1)).toBeUndefined();
    expect(nearestName('', ['ab'], 1)).toBeUndefined();
    expect(nearestName('', ['ab'], 2)).toBe('ab');
    expect(nearestName('ab', [''], 1)).toBeUndefined();
  });

  it('is compared in its first 64 letters, because a word may have any length', () => {
    const long = 'a'.repeat(64);
    expect(nearestName(`${long}b`, [`${long}c`], 0)).toBe(`${long}c`);
    expect(nearestName(`${long.slice(1)}b`, [`${long.slice(1)}c`], 0)).toBeUndefined();
  });
});
