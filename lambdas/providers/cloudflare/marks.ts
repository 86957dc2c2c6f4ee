import { markedKey } from '../marked-key.ts';

/**
 * Everything that Eph makes carries the deployment's id, so that two deployments can share an account and a zone
 * without changing each other's resources. A tunnel's name has deployment, environment and how often that was opened
 * before.
 */
export function tunnelName(deploymentId: string, environment: string, count: number): string {
  return `${tunnelPrefix(deploymentId)}${inTunnelName(markedKey(environment))}-${count}`;
}
export function tunnelPrefix(deploymentId: string): string {
  return `eph-${deploymentId}-`;
}
/**
 * The environment to which a tunnel belongs, if it is ours. Exactly three numbers must follow the deployment's id, or
 * a part that begins with `_`, as no id does. With the prefix alone, a deployment called `staging` would delete the
 * tunnels of one called `staging-2`.
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

/** The characters of a tunnel's name are not documented, so it has a file name's. Escapes have no small letters. */
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
