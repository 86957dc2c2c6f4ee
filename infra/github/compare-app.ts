import { appEvents, appPermissions } from './app-manifest.ts';

export interface AppDifferences {
  /** What Eph needs and the App lacks; without it something does not work. */
  missing: readonly string[];
  /** What the App has and Eph does not need. */
  needless: readonly string[];
}

/**
 * Compares what an App or an installation has with what Eph needs; each difference is given as words for a sentence.
 */
export function compareApp(has: {
  permissions: Record<string, string | undefined>;
  events: readonly string[];
}): AppDifferences {
  const missing: string[] = [];
  const needless: string[] = [];
  for (const [name, level] of Object.entries(appPermissions)) {
    const held = has.permissions[name] ?? (name === 'metadata' ? 'read' : undefined);
    if (held === undefined) missing.push(`the permission ${spoken(name)}: ${level}`);
    else if (level === 'write' && held === 'read') {
      missing.push(`the permission ${spoken(name)}: write (it is read)`);
    } else if (level === 'read' && held !== 'read') {
      needless.push(`the permission ${spoken(name)}: ${held} (read is enough)`);
    }
  }
  const wanted = new Set<string>(Object.keys(appPermissions));
  for (const [name, level] of Object.entries(has.permissions)) {
    if (!wanted.has(name) && level) needless.push(`the permission ${spoken(name)}: ${level}`);
  }
  const events = new Set<string>(appEvents);
  for (const event of events) if (!has.events.includes(event)) missing.push(`the event ${event}`);
  for (const event of has.events) if (!events.has(event)) needless.push(`the event ${event}`);
  return { missing, needless };
}

/** The name on GitHub's pages: `pull_requests` -> `Pull requests`. */
function spoken(name: string): string {
  if (name === 'statuses') return 'Commit statuses';
  const words = name.replaceAll('_', ' ');
  return `${words[0]?.toUpperCase()}${words.slice(1)}`;
}
