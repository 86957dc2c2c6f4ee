import { markedKey } from '../marked-key.ts';

/**
 * What Eph made carries the deployment's id, so that two Ephs share an account and a zone without touching
 * each other's things. A tunnel's name tells deployment, environment and how often that was opened before.
 */
export function tunnelName(deploymentId: string, environment: string, count: number): string {
  return `${tunnelPrefix(deploymentId)}${inTunnelName(markedKey(environment))}-${count}`;
}
export function tunnelPrefix(deploymentId: string): string {
  return `eph-${deploymentId}-`;
}
/**
 * The environment a tunnel belongs to, if it is ours. Exactly three numbers must follow the deployment's id, or what
 * begins with `_`, which no id has: the prefix alone would let a deployment called `staging` delete the tunnels of one
 * called `staging-2`.
 */
export function parseTunnelName(deploymentId: string, name: string): string | undefined {
  const prefix = tunnelPrefix(deploymentId);
  if (!name.startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  const [, repositoryId, number] = /^(\d+)-(\d+)-\d+$/.exec(rest) ?? [];
  if (repositoryId && number) return `${repositoryId}#${number}`;
  const [, written] = /^_([\w.-]+)-\d+$/.exec(rest) ?? [];
  return written?.replace(/_([nrwvs])/g, (code) => separators.get(code) ?? code);
}

/** Nobody says which characters a tunnel's name may have, so it has those of a file's. Escapes in keys have no small letters. */
const codes = new Map([
  ['#', '_n'],
  ['@', '_r'],
  ['=', '_w'],
  ['/', '_v'],
  [':', '_s'],
]);
const separators = new Map([...codes].map(([separator, code]) => [code, separator]));

/** `7-1` for a pull request of GitHub, as it always was; everything else begins with `_`. */
function inTunnelName(mark: string): string {
  if (/^\d+#\d+$/.test(mark)) return mark.replace('#', '-');
  return `_${mark.replace(/[#@=/:]/g, (separator) => codes.get(separator) ?? separator)}`;
}

/** At most 100 characters, the limit of a comment on a free zone; no newline. */
export function recordComment(deploymentId: string, environment: string): string {
  return `eph:${deploymentId}:${markedKey(environment)}`;
}
export function parseRecordComment(deploymentId: string, comment: string): string | undefined {
  const prefix = `eph:${deploymentId}:`;
  return comment.startsWith(prefix) ? comment.slice(prefix.length) : undefined;
}
