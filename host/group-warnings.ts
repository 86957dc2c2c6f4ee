/**
 * A warning that several services have in common is written once, and the number of warnings is limited: a comment
 * with 40 lines of warnings hides the one that matters. The log has them all.
 * warnings hides the one that matters. The log has them all.
 */
const MAX_LINES = 10;
const MAX_NAMES = 5;

export function groupWarnings(warnings: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const warning of warnings) {
    // In "`web` runs privileged." this finds the first name and the statement about it.
    const [, name, rest = warning] = /^`([^`]+)` (.+)$/s.exec(warning) ?? [];
    const names = groups.get(rest) ?? [];
    if (name !== undefined && !names.includes(name)) names.push(name);
    groups.set(rest, names);
  }
  const lines = [...groups].map(([rest, names]) => (names.length === 0 ? rest : `${listed(names)} ${rest}`));
  if (lines.length <= MAX_LINES) return lines;
  const shown = lines.slice(0, MAX_LINES - 1);
  return [...shown, `${lines.length - shown.length} more warnings are in the log.`];
}

/** For one service the sentence stays as it is; for several it says "each". */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).map((name) => `\`${name}\``);
  const more = names.length - shown.length;
  if (names.length === 1) return shown.join('');
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}: each`;
}
