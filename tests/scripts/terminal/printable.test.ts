import { describe, expect, test } from 'vitest';
import { printable, printableItem } from '../../../scripts/terminal/printable.ts';

const ESC = '\u001b';

describe('text of others on the terminal of an operator', () => {
  test.each([
    ['a window title', `${ESC}]0;owned\u0007api`, 'api'],
    ['a title that ends with ST', `${ESC}]2;owned${ESC}\\api`, 'api'],
    ['what fills the clipboard', `${ESC}]52;c;Y3VybCBldmls\u0007api`, 'api'],
    ['a link', `${ESC}]8;;https://evil.example\u0007docs${ESC}]8;;\u0007`, 'docs'],
    ['colours', `${ESC}[1;31mred${ESC}[0m`, 'red'],
    ['what clears the screen', `${ESC}[2J${ESC}[Hapi`, 'api'],
    ['a device control string', `${ESC}P1$r0m${ESC}\\api`, 'api'],
    ['the same in C1 controls', '\u009d0;owned\u009capi\u009b31m', 'api'],
    ['a full reset', `${ESC}capi`, 'capi'],
    ['what draws over its own line', 'failed\rready \bok', 'failedready ok'],
    ['text read from right to left', 'user\u202etxt.exe\u2066x\u2069\u200f', 'usertxt.exex'],
    ['line ends of other systems', 'one\r\ntwo\u2028three', 'one\ntwothree'],
    ['a sequence without its end', `${ESC}]0;title and what follows`, ']0;title and what follows'],
    ['a sequence put together by taking one out', `${ESC}${ESC}[0m[31mapi`, '[31mapi'],
  ])('loses %s', (_, given, shown) => {
    expect(printable(given)).toBe(shown);
  });

  test('keeps what people write, line ends and tabs', () => {
    const text = 'Grüße, 你好, مرحبا, 👩‍👩‍👧 “quoted”\n\tindented';
    expect(printable(text)).toBe(text);
  });

  test('has no control character left, whatever it contained', () => {
    const bytes = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code));
    for (const a of bytes) {
      for (const b of ['[', ']', '\\', '\u0007', ESC, '\u009b', 'm']) {
        expect(printable(`${ESC}${a}${b}${a}`)).not.toMatch(/(?![\n\t])\p{Cc}/u);
      }
    }
  });

  test('does not look like a line of Eph', () => {
    expect(printableItem('broken\n  08:00:00.000  done')).toBe('broken\n      |   08:00:00.000  done');
  });
});
