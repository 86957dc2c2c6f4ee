/**
 * What Eph made carries the deployment's id, so that two Ephs share an account and a zone without touching
 * each other's things. A tunnel's name tells deployment, row and how often the environment was opened before.
 */
export function tunnelName(deploymentId: string, environment: string, count: number): string {
  return `eph-${deploymentId}-${environment.replace('#', '-')}-${count}`;
}
export function tunnelPrefix(deploymentId: string): string {
  return `eph-${deploymentId}-`;
}
/**
 * The row a tunnel belongs to, if it is ours. Exactly three numbers must follow the deployment's id: the
 * prefix alone would let a deployment called `staging` delete the tunnels of one called `staging-2`.
 */
export function parseTunnelName(deploymentId: string, name: string): string | undefined {
  const prefix = tunnelPrefix(deploymentId);
  if (!name.startsWith(prefix)) return undefined;
  const [, repositoryId, number] = /^(\d+)-(\d+)-\d+$/.exec(name.slice(prefix.length)) ?? [];
  return repositoryId && number ? `${repositoryId}#${number}` : undefined;
}
/** At most 100 characters, the limit of a comment on a free zone; no newline. */
export function recordComment(deploymentId: string, environment: string): string {
  return `eph:${deploymentId}:${environment}`;
}
export function parseRecordComment(deploymentId: string, comment: string): string | undefined {
  const prefix = `eph:${deploymentId}:`;
  return comment.startsWith(prefix) ? comment.slice(prefix.length) : undefined;
}
