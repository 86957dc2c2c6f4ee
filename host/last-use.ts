import { open } from 'node:fs/promises';
import { navigationMark } from './proxy-config.ts';

/**
 * When somebody last used the preview, from the proxy's access log and the number of requests under way.
 *
 * - A request counts when it ends (that is when it is logged). Eph's own checks are not logged.
 * - An open connection (WebSocket, server-sent events) counts as use for 12 hours after the last page was
 *   navigated to: a tab that somebody forgot must not keep a machine running for days.
 */
export interface UseSeen {
  /** Epoch ms; 0 for never. */
  lastRequestAt: number;
  lastNavigationAt: number;
}

export const OPEN_TAB_MS = 12 * 60 * 60 * 1_000;
export const nothingSeen: UseSeen = { lastRequestAt: 0, lastNavigationAt: 0 };

/** Reads lines of Caddy's JSON access log; lines of other kinds, and a line that is not complete, are skipped. */
export function readAccessLog(seen: UseSeen, text: string): UseSeen {
  let { lastRequestAt, lastNavigationAt } = seen;
  for (const line of text.split('\n')) {
    const entry = parseEntry(line);
    if (!entry) continue;
    if (entry.upgraded) {
      const counted = Math.min(entry.endedAt, Math.max(entry.startedAt, lastNavigationAt) + OPEN_TAB_MS);
      lastRequestAt = Math.max(lastRequestAt, counted);
    } else {
      lastRequestAt = Math.max(lastRequestAt, entry.endedAt);
    }
    if (entry.navigation) lastNavigationAt = Math.max(lastNavigationAt, entry.startedAt);
  }
  return { lastRequestAt, lastNavigationAt };
}

export function lastUse(seen: UseSeen, openRequests: number, now: number): number {
  const tabIsAlive = openRequests > 0 && now - seen.lastNavigationAt < OPEN_TAB_MS;
  return tabIsAlive ? now : seen.lastRequestAt;
}

interface Entry {
  startedAt: number;
  endedAt: number;
  upgraded: boolean;
  navigation: boolean;
}

function parseEntry(line: string): Entry | undefined {
  if (!line.includes('"http.log.access')) return undefined;
  try {
    const { ts, duration, status, user_id } = JSON.parse(line) as {
      ts: number;
      duration: number;
      status: number;
      user_id?: string;
    };
    return {
      startedAt: Math.round((ts - duration) * 1_000),
      endedAt: Math.round(ts * 1_000),
      upgraded: status === 101,
      navigation: user_id === navigationMark,
    };
  } catch {
    return undefined;
  }
}

/** Reads what was appended to a file since the last time; starts again when the file was rotated. */
export function createTail(path: string): () => Promise<string> {
  let position = 0;
  let inode = 0;
  return async () => {
    const file = await open(path, 'r').catch(() => undefined);
    if (!file) return '';
    try {
      const { size, ino } = await file.stat();
      if (ino !== inode || size < position) position = 0;
      inode = ino;
      const buffer = Buffer.alloc(size - position);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      // The last line may be incomplete: it is read again with its end.
      const end = buffer.lastIndexOf(0x0a, bytesRead - 1) + 1;
      position += end;
      return buffer.toString('utf8', 0, end);
    } finally {
      await file.close();
    }
  };
}
