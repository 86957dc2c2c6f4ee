import type { Environments } from '../../lambdas/ports.ts';
import { environmentRows } from '../../lambdas/store/environment-rows.ts';
import { type MemoryItems, memoryItems, memoryTable } from './memory-table.ts';
import { atOnce, type Wire } from './wire.ts';

/** The table of rows in memory. */
export function memoryEnvironments(items: MemoryItems = memoryItems(), wire: Wire = atOnce): Environments {
  return environmentRows(memoryTable(items, 'environments', wire));
}

/** Deletes rows as DynamoDB does some time after their time to live. */
export function forgetExpired(items: MemoryItems, now: number): void {
  for (const item of items.all()) {
    if (Number(item['forgetAt'] ?? Number.POSITIVE_INFINITY) * 1_000 < now) items.delete(String(item['key']));
  }
}
