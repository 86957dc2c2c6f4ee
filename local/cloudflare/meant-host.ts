/**
 * The host that a Worker's own request is for: Miniflare's `fetch` writes the Host header itself. This is a file of
 * its own because Miniflare's types change the global types of files that are read after them.
 */
export const MEANT_HOST = 'x-eph-meant-host';
