import { failWith } from './deploy-failure.ts';
import { type Reach, shown } from './machine-reach.ts';

/**
 * What becomes of what a compose project asks of its machine: a branch is warned, a fork refused. Two things
 * nobody gets: a program of the repository run beside the containers, and the name of the proxy's image (what
 * is built under it would be started as the proxy, which sees visitors' tokens).
 */

/** The sentences go into a comment; who asks for more than this has read enough. */
const MOST_WARNINGS = 10;

/** Where the packet rule could not be set (packer/files/eph-metadata-rule), the host network is the AWS role. */
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

/** For every preview of such a machine, so that somebody sees it who can do something about it. */
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

/** `caddy:2`, whichever of its long forms somebody writes. */
function imageName(reference: string): string {
  return reference.replace(/^(?:(?:index|registry-1)\.)?docker\.io\//, '').replace(/^library\//, '');
}

function serviceOf({ subject }: Reach): { service?: string } {
  const name = /^`(.+)`$/.exec(subject)?.[1];
  return name === undefined ? {} : { service: name };
}
