/** Sequences that ESC or one C1 control begins: titles, the clipboard, links (OSC and its like), colours (CSI). */
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]/g;
/** The control characters that remain, and characters that change the order in which a line is read. */
const controls = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/**
 * Other people's text, made safe for a terminal: titles, log lines, names of branches and whatever else a stranger
 * can write. A terminal obeys control sequences in its output: to rename its window, to fill the clipboard, to
 * overwrite earlier lines. Line ends and tabs stay.
 *
 * A sequence without its end loses its first byte only, so that nobody can hide the rest of a line with it.
 * https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
 */
export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(sequences, '').replace(controls, '');
}

/**
 * The same for an item of a list: lines after the first are indented, so that they cannot be taken for lines of Eph.
 */
export function printableItem(text: string): string {
  return printable(text).trimEnd().replaceAll('\n', '\n      | ');
}
