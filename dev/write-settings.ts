import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { exampleFile } from './settings/example-file.ts';
import { settingsPage } from './settings/settings-page.ts';

/**
 * The files that are made from the table of settings, by path in the repository. A test fails while one is out of
 * date.
 */
export const writtenFromSettings: Readonly<Record<string, () => string>> = {
  '.env.example': exampleFile,
  'docs/settings.md': settingsPage,
};

if (import.meta.main) {
  for (const [path, make] of Object.entries(writtenFromSettings)) {
    const file = join(import.meta.dirname, '..', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, make());
  }
}
