import { type SettingsLine, sectionTitles } from '../../infra/settings/settings-table.ts';

/** The sections that have any of these lines, in the order of the documents. */
export function ofSections(
  lines: readonly SettingsLine[],
): { section: SettingsLine['section']; lines: SettingsLine[] }[] {
  const order = Object.keys(sectionTitles);
  const bySection = Map.groupBy(lines, ({ section }) => section);
  return [...bySection]
    .map(([section, lines]) => ({ section, lines }))
    .toSorted((a, b) => order.indexOf(a.section) - order.indexOf(b.section));
}
