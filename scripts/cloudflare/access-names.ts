/** Marks of what a deployment has in Access, where names are all there is: nothing else is changed or deleted. */
export function accessNames(deploymentId: string) {
  const mark = `eph-${deploymentId}`;
  return {
    previews: `${mark} previews`,
    dashboard: `${mark} dashboard`,
    people: `${mark} people`,
    programs: `${mark} programs`,
    serviceToken: `${mark} programs`,
    /** API token that the functions run with. */
    runtimeToken: `${mark} runtime`,
  };
}

export function workerName(deploymentId: string): string {
  return `eph-${deploymentId}`;
}
