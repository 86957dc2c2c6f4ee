/** Sequences that ESC or one C1 control begins: titles, the clipboard, links (OSC and its like), colours (CSI). */
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]/g;
/** Whatever is left of them, and what changes the order in which a line is read. */
const controls = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/**
 * Text of others as a terminal may show it: titles, log lines, names of branches and whatever else a stranger
 * can write. A terminal takes orders from what it shows: to rename its window, to fill the clipboard, to draw
 * over lines that were true. Line ends and tabs stay.
 *
 * A sequence without its end loses its first byte only, so that nobody can hide the rest of a line with it.
 * https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
 */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(sequences, '').replace(controls, '');
}

/** The same on one line of a list: what follows its first line is set back, so that it passes for no line of ours. */
export function printableItem(text: string): string {
  return printable(text).trimEnd().replaceAll('\n', '\n      | ');
}
