/**
 * Facts from documentation that only a real account can confirm, in the order in which the smoke check tests them.
 * `localReason` says why a yes on the local platform proves nothing about AWS or Cloudflare; such a point is not
 * counted as shown.
 */
export interface SmokePoint {
  /** A sentence that is true when the answer is yes. */
  claim: string;
  /** What to do if the answer is no. */
  fix: string;
  localReason?: string;
}

export const smokePoints = {
  launch: {
    claim: 'EC2 launches a machine from our launch template with your rights',
    fix: 'make doctor says whether rights, quota, image or network are in the way.',
  },
  boot: {
    claim: 'the boot unit starts the agent, which finds its mailbox and reports',
    fix: "Look at the machine's console log (EC2, Get system log, while the walk waits); make ami-build FORCE=1 makes a new image.",
  },
  agent: {
    claim: 'the SSM agent comes online with our minimal policy',
    fix: "Compare infra/stack/host-role.ts with what the agent's log asks for (/var/log/amazon/ssm on the machine).",
    localReason: 'its SSM agent is a model',
  },
  notify: {
    claim: 'our SSM document notifies the agent, which deploys the next generation at once',
    fix: 'The document needs an SSM agent of 3.3.2746.0 or newer (interpolationType ENV_VAR); make ami-build FORCE=1.',
  },
  bridge: {
    claim: 'a container behind a bridge gets no token from the metadata service (hop limit 1)',
    fix: 'Stop using this deployment: pull requests could take the role of the machine. Report it (SECURITY.md).',
    localReason: 'its metadata service is a model',
  },
  hostNetwork: {
    claim: 'a container on the host network gets none either (packet rule)',
    fix: 'Stop using this deployment: pull requests could take the role of the machine. Report it (SECURITY.md).',
    localReason: 'its metadata service is a model',
  },
  mailbox: {
    claim: "the machine's role is refused what is in another machine's mailbox",
    fix: 'Stop using this deployment: aws:userid in the bucket policy of infra/stack/host-role.ts does not hold. Report it (SECURITY.md).',
    localReason: 'only our own SSM document runs there',
  },
  notification: {
    claim: "a machine's report reaches the deployer through S3 and SQS",
    fix: "Look at the bucket's event notifications, the queue's policy and the deployer's log (make logs).",
  },
  tunnel: {
    claim: 'the tunnel connects, and a program with the service token gets the page',
    fix: 'make doctor looks at token, zone and Access; outbound port 7844 (UDP, TCP) must be open.',
  },
  stranger: {
    claim: 'whoever is not signed in meets the sign-in of Access and not the page',
    fix: 'make deploy sets up Access again; until this says yes, previews may be open to everybody.',
  },
  cloudflared: {
    claim: "cloudflared is told to check the visitor's Access token by itself",
    fix: 'The rule of the tunnel must have originRequest.access: lambdas/providers/cloudflare/cloudflare-tunnels.ts.',
  },
  asleep: {
    claim:
      'with the machine switched off the address answers 530 or the page of the Worker, not the application',
    fix: "Look at the zone's Workers routes: *<suffix>/* must lead to the Worker.",
  },
  deletion: {
    claim: 'record and tunnel can be deleted in our order as soon as the machine is off',
    fix: 'Delete the tunnel by hand in Zero Trust, Networks, Tunnels; the cleanup tries again every hour.',
  },
  cleanup: {
    claim: 'nothing of this walk is left',
    fix: 'make smoke again removes what an earlier one left; the hourly cleanup does so too.',
  },
} satisfies Record<string, SmokePoint>;

export type SmokePointId = keyof typeof smokePoints;
