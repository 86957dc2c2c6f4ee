/** GitHub's limit for the description of a status and of a deployment. */
const MAX_DESCRIPTION = 140;

/**
 * Descriptions are plain text: backticks would be shown as characters. GitHub refuses a status with a character
 * above U+FFFF (an emoji in a build step; https://github.com/ouzi-dev/commit-status-updater/issues/527).
 */
export function describe(markdown: string): string {
  const text = markdown
    .replace(/[`\p{Cs}]|[\u{10000}-\u{10FFFF}]/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length <= MAX_DESCRIPTION ? text : `${text.slice(0, MAX_DESCRIPTION - 1).toWellFormed()}…`;
}
