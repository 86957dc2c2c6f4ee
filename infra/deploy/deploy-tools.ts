import type { Environment } from '../settings/env-file.ts';

/**
 * The programs that bring code to a vendor: CDK, Packer, wrangler. They need the real one, so the local
 * platform has its own (`local/deploy-tools.ts`), which synthesise, validate and bundle in the same way and
 * then hand the result to the platform. Everything else of a deploy speaks to APIs, real or stand-in.
 */
export interface DeployTools {
  stack: StackTool;
  image: ImageTool;
  worker: WorkerTool;
}

/** `found` is what only a deploy knows (`stack-settings.ts`); the settings file is known to the tool. */
export interface StackTool {
  /** What `deploy` would change, one line each; [] when nothing. Changes nothing. */
  diff(found: Environment): Promise<string[]>;
  /** Bootstraps the account if need be. Safe to interrupt: CloudFormation goes on or rolls back. */
  deploy(found: Environment, progress: (line: string) => void): Promise<StackOutputs>;
  /** Undefined: there is no such stack. */
  outputs(): Promise<StackOutputs | undefined>;
  /** As CloudFormation calls it; undefined: there is no such stack. */
  state(): Promise<string | undefined>;
  /** Does nothing where there is no stack. */
  destroy(progress: (line: string) => void): Promise<void>;
}

/** By output name of `infra/stack/control-plane-stack.ts`. */
export interface StackOutputs {
  JobQueueUrl: string;
  MailboxBucketName: string;
  /** With INGRESS=worker-key only. */
  WorkerUserName?: string;
  /** With INGRESS=function-url only. */
  IngressUrl?: string;
  [name: string]: string | undefined;
}

export type Architecture = 'x86_64' | 'arm64';

export interface ImageTool {
  /** Makes a machine image, marked with what it is made of (`imageInputs`), and resolves to its id. */
  build(
    architecture: Architecture,
    options: {
      deploymentId: string;
      region: string;
      /** Where it is baked, and on what. */
      subnetId: string;
      instanceType: string;
    },
    progress: (line: string) => void,
  ): Promise<string>;
}

/** Which script, and with which token it is reached. */
export interface WorkerScript {
  /** `eph-<deployment>`. */
  name: string;
  accountId: string;
  apiToken: string;
}

export interface WorkerUpload extends WorkerScript {
  vars: Record<string, string>;
  /** Those that are not named here stay as they are. */
  secrets: Record<string, string>;
  /** Those that must not be there any more. */
  dropSecrets: readonly string[];
}

export interface InstalledWorker {
  vars: Record<string, string>;
  secretNames: readonly string[];
}

export interface WorkerTool {
  /** Version of what would be uploaded: a hash of the bundle. */
  version(): Promise<string>;
  /** Undefined: there is no such script. */
  installed(script: WorkerScript): Promise<InstalledWorker | undefined>;
  upload(upload: WorkerUpload, progress: (line: string) => void): Promise<void>;
  /** Where GitHub delivers, given the host name that the deploy has attached to the Worker. */
  webhookUrl(webhookHost: string): string;
}
