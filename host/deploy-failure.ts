import type { HostFailure } from '../lambdas/providers/ec2/mailbox.ts';

/** Ends a deployment; the sentence goes to the pull request. */
export class DeployFailure extends Error {
  readonly failure: HostFailure;
  constructor(failure: HostFailure) {
    super(failure.sentence);
    this.name = 'DeployFailure';
    this.failure = failure;
  }
}

export function failWith(
  code: string,
  sentence: string,
  more: { service?: string; log?: string[] } = {},
): never {
  const service = more.service === undefined ? {} : { service: more.service };
  throw new DeployFailure({ code, sentence, log: more.log ?? [], ...service });
}
