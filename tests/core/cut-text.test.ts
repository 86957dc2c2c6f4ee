import { assert, constantFrom, integer, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteLength, cutText } from '#core/cut-text';

describe('a text that is cut', () => {
  it.each([
    ['fits', 'abc', 3, 'abc'],
    ['is too long', 'abcdef', 5, 'ab…'],
    ['has characters of several bytes', 'ééé', 5, 'é…'],
    ['has characters of two code units', '😀😀', 7, '😀…'],
    ['would end in the middle of one', 'a😀😀', 7, 'a…'],
    ['has half a character', 'a\ud83d', 10, 'a�'],
  ])('%s', (_what, text, maxBytes, cut) => {
    expect(cutText(text, maxBytes)).toBe(cut);
  });

  it('never has more bytes than allowed or half a character, and its beginning is kept', () => {
    const unit = constantFrom('a', 'é', '漢', '😀', '\ud83d', '\ude00');
    assert(
      property(string({ unit }), integer({ min: 3, max: 30 }), (text, maxBytes) => {
        const cut = cutText(text, maxBytes);
        expect(byteLength(cut)).toBeLessThanOrEqual(maxBytes);
        expect(cut.isWellFormed()).toBe(true);
        const whole = text.toWellFormed();
        if (cut !== whole) expect(whole.startsWith(cut.slice(0, -1))).toBe(true);
      }),
    );
  });
});
