/**
 * Worker scripts by name. They run elsewhere (`startCloudflare({ workers })`); this is the API's view of them.
 *
 * Stricter than Cloudflare promises: a script with a route or a host name cannot be deleted without `force`, so a
 * teardown must use a deployment spec that leaves no route without a script.
 */
import { CloudflareError } from './cloudflare-error.ts';

interface ScriptsOptions {
  now: () => number;
  /** Patterns and host names that lead to a script. */
  usersOf: (name: string) => string[];
}

export type WorkerScripts = ReturnType<typeof createWorkerScripts>;

export function createWorkerScripts({ now, usersOf }: ScriptsOptions) {
  const workersAccount: { subdomain: string | undefined } = { subdomain: 'local-account' };
  const scripts = new Map<string, { modifiedAt: number }>();
  return {
    /** Uploads as `wrangler deploy` does; routes and host names can lead only to an uploaded script. */
    uploadScript(name: string): void {
      scripts.set(name, { modifiedAt: now() });
    },
    hasScript: (name: string): boolean => scripts.has(name),
    listScripts: () =>
      [...scripts].map(([id, { modifiedAt }]) => ({ id, modified_on: new Date(modifiedAt).toISOString() })),
    deleteScript(name: string, options: { force: boolean }): null {
      if (!scripts.has(name)) throw new CloudflareError(404, 10007, 'workers.api.error.script_not_found');
      const users = usersOf(name);
      if (users.length > 0 && !options.force) {
        throw new CloudflareError(409, 10064, `workers.api.error.script_in_use: ${users.join(', ')}`);
      }
      scripts.delete(name);
      return null;
    },
    /** Without a subdomain, nobody has opened Workers in the dashboard yet. */
    workersAccount,
    getAccountSubdomain() {
      const { subdomain } = workersAccount;
      if (subdomain) return { subdomain };
      throw new CloudflareError(404, 10007, 'workers.api.error.subdomain_not_found');
    },
  };
}
