/**
 * Names that mark what a deployment has in Access, where nothing else can carry a mark: nothing else is changed or
 * deleted.
 */
export function accessNames(deploymentId: string) {
  const mark = `eph-${deploymentId}`;
  return {
    previews: `${mark} previews`,
    dashboard: `${mark} dashboard`,
    people: `${mark} people`,
    programs: `${mark} programs`,
    serviceToken: `${mark} programs`,
  };
}

/**
 * The API token that the functions run with. A list of tokens shows all that a person has, for every account, and a
 * token of another deployment must not be revoked.
 *
 * @param home `awsHome`
 */
export function runtimeTokenName(deploymentId: string, home: string): string {
  return `eph-${deploymentId} runtime ${home}`;
}

export function workerName(deploymentId: string): string {
  return `eph-${deploymentId}`;
}
