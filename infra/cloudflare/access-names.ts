/** Marks of what a deployment has in Access, where names are all there is: nothing else is changed or deleted. */
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
 * API token that the functions run with. A list of tokens goes over all that a person has, in whatever account
 * they are for, and who is not this deployment must not be revoked.
 *
 * @param home `awsHome`
 */
export function runtimeTokenName(deploymentId: string, home: string): string {
  return `eph-${deploymentId} runtime ${home}`;
}

export function workerName(deploymentId: string): string {
  return `eph-${deploymentId}`;
}
