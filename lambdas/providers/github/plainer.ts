/**
 * A text that GitHub refused, shorter and in plain letters: a poor sentence is better than none. It keeps line breaks
 * and what Markdown needs.
 */
export function plainer(text: string, maxLength: number): string {
  const plain = text.normalize('NFKD').replace(/[^\n\x20-\x7e]/g, '');
  return plain.length <= maxLength ? plain : `${plain.slice(0, maxLength - 3)}...`;
}
