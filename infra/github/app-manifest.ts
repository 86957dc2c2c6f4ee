/** The App's permissions; the README says why. They are final, because each addition asks every owner for consent. */
export const appPermissions = {
  metadata: 'read',
  contents: 'read',
  /** Without it GitHub sends no event `issue_comment`; comments are written with `pull_requests`. */
  issues: 'read',
  checks: 'read',
  /** The event `merge_group` comes only with it: a required check must answer on the queue's own commit. */
  merge_queues: 'read',
  pull_requests: 'write',
  statuses: 'write',
  deployments: 'write',
} as const;

/**
 * The events on which `lambdas/webhook/choose-job.ts` acts. Any other event costs one of the Worker's daily requests,
 * and pushes the failed ones down in GitHub's list. Installation events come by themselves, and a manifest that names
 * them is refused.
 */
export const appEvents = ['pull_request', 'repository', 'merge_group'] as const;

/** https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest */
export interface AppManifest {
  name: string;
  url: string;
  hook_attributes: { url: string; active: boolean };
  redirect_url: string;
  public: boolean;
  default_permissions: typeof appPermissions;
  default_events: typeof appEvents;
}

/**
 * Describes the App to GitHub, which shows it with one button. The webhook is active from the start, although no
 * Worker answers there yet: its address can be changed through the API later, but whether it is active cannot.
 */
export function appManifest(of: {
  deploymentId: string;
  webhookHost: string;
  /** Shown on the App's page as its home. */
  homepage: string;
  /** Where GitHub sends the browser, with the code, once the App is made. */
  redirectUrl: string;
}): AppManifest {
  return {
    // Names are unique on all of GitHub and have 34 characters at most; the person who clicks may type another one.
    name: `Eph ${of.deploymentId}`,
    url: of.homepage,
    hook_attributes: { url: `https://${of.webhookHost}/webhooks/github`, active: true },
    redirect_url: of.redirectUrl,
    public: false,
    default_permissions: appPermissions,
    default_events: appEvents,
  };
}
