/** The messages of a valibot schema in their order: each completes "it must be a value that ...". */
export function ruleInWords(rule: unknown): string {
  return [...new Set(messagesOf(rule))].join('; ');
}

function messagesOf(part: unknown): string[] {
  if (typeof part !== 'object' || part === null) return [];
  const own = 'message' in part && typeof part.message === 'string' ? [part.message] : [];
  const steps: unknown[] = 'pipe' in part && Array.isArray(part.pipe) ? part.pipe : [];
  const item = 'item' in part ? [part.item] : [];
  return [...own, ...[...steps, ...item].filter((one) => one !== part).flatMap(messagesOf)];
}
