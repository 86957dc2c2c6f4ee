/**
 * Which host a Worker's own request was for: Miniflare's `fetch` writes Host itself. In a file of its own, because
 * Miniflare's types change the global ones of whatever is read after them.
 */
export const MEANT_HOST = 'x-eph-meant-host';
