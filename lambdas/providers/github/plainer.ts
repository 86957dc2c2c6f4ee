/**
 * A text that somebody refused, shorter and in plain letters: rather a poor sentence than none. Keeps line breaks and
 * what Markdown needs.
 */
export function plainer(text: string, maxLength: number): string {
  const plain = text.normalize('NFKD').replace(/[^\n\x20-\x7e]/g, '');
  return plain.length <= maxLength ? plain : `${plain.slice(0, maxLength - 3)}...`;
}
