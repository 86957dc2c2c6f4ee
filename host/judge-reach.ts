import { failWith } from './deploy-failure.ts';
import { type Reach, shown } from './machine-reach.ts';

/**
 * What happens when a compose project asks for a part of its machine: a branch gets a warning, a fork is refused. Two
 * things are refused for everybody: running a program of the repository beside the containers, and using the name of
 * the proxy's image (an image built under that name would be started as the proxy, which sees visitors' tokens).
 */

/** The sentences go into a comment, and nobody reads more of them than this. */
const MOST_WARNINGS = 10;

/**
 * Where the packet rule could not be set (packer/files/eph-metadata-rule), the host network gives access to the AWS
 * role.
 */
export function refuseHostNetwork(reach: readonly Reach[]): void {
  const found = reach.find(({ hostNetwork }) => hostNetwork);
  if (!found) return;
  failWith(
    'role-not-guarded',
    `${found.subject} ${found.asks}; that is refused on this machine, ${unguarded}. Publish ports instead, or ask whoever runs Eph for a new machine image.`,
    serviceOf(found),
  );
}

const unguarded = 'which has no packet rule to keep its own network away from its AWS role';

/** The warning is added to every preview of such a machine, so that a person who can repair it sees it. */
export const unguardedWarning = `The host network is refused on this preview's machine, ${unguarded}. For whoever runs Eph: the kernel of the machine image has neither \`nft_socket\` nor \`xt_cgroup\` (\`journalctl -u eph-bootstrap\`); \`make ami-build FORCE=1\` makes a new image.`;

export function judgeReach(reach: readonly Reach[], trusted: boolean): string[] {
  const [first] = reach;
  if (!trusted && first)
    failWith(
      'not-for-forks',
      `${first.subject} ${first.asks}; that is refused for pull requests from forks.`,
      serviceOf(first),
    );
  const sentences = [...new Set(reach.map(({ subject, asks }) => `${subject} ${asks}.`))];
  const more = sentences.length - MOST_WARNINGS;
  if (more <= 0) return sentences;
  return [
    ...sentences.slice(0, MOST_WARNINGS),
    `The compose file asks for ${more} more things of the machine.`,
  ];
}

export function refuseForAll(project: unknown, proxyImage: string): void {
  const { services } = project as { services?: Record<string, Record<string, unknown>> | null };
  for (const [name, service] of Object.entries(services ?? {})) {
    if (service['provider']) {
      failWith(
        'provider',
        `\`${shown(name)}\` has a \`provider\`: docker compose would run that program on the preview's machine, outside of any container. Put the service behind a profile, or replace it by one with an image.`,
        { service: name },
      );
    }
    const { build, image } = service;
    if (!build) continue;
    const tags = (build as { tags?: unknown }).tags;
    const names = [image, ...(Array.isArray(tags) ? tags : [])];
    if (!names.some((built) => typeof built === 'string' && imageName(built) === imageName(proxyImage)))
      continue;
    failWith(
      'reserved-name',
      `\`${shown(name)}\` builds an image called \`${proxyImage}\`; Eph's proxy is started from that name. Give it another \`image\` or tag.`,
      { service: name },
    );
  }
}

/** The name `caddy:2`, whichever of its long forms a file uses. */
function imageName(reference: string): string {
  return reference.replace(/^(?:(?:index|registry-1)\.)?docker\.io\//, '').replace(/^library\//, '');
}

function serviceOf({ subject }: Reach): { service?: string } {
  const name = /^`(.+)`$/.exec(subject)?.[1];
  return name === undefined ? {} : { service: name };
}
