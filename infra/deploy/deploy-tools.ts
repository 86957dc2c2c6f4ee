import type { Environment } from '../settings/env-file.ts';

/**
 * The programs that bring code to a vendor: CDK, Packer, wrangler. They need the real vendor, so the local platform
 * has its own (`local/deploy-tools.ts`), which synthesise, validate and bundle in the same way and then give the
 * result to the platform. Everything else of a deploy calls APIs, real or stand-in.
 */
export interface DeployTools {
  stack: StackTool;
  image: ImageTool;
  worker: WorkerTool;
}

/** `found` holds the values that only a deploy knows (`stack-settings.ts`); the tool reads the settings file itself. */
export interface StackTool {
  /** What `deploy` would change, one line each; [] if nothing. Changes nothing. */
  diff(found: Environment): Promise<string[]>;
  /** Bootstraps the account if necessary. Safe to interrupt: CloudFormation continues or rolls back. */
  deploy(found: Environment, progress: (line: string) => void): Promise<StackOutputs>;
  /** Undefined if there is no such stack. */
  outputs(): Promise<StackOutputs | undefined>;
  /** The state in CloudFormation's words; undefined if there is no such stack. */
  state(): Promise<string | undefined>;
  /** Does nothing where there is no stack. */
  destroy(progress: (line: string) => void): Promise<void>;
}

/** The keys are output names of `infra/stack/control-plane-stack.ts`. */
export interface StackOutputs {
  JobQueueUrl: string;
  MailboxBucketName: string;
  /** Present with INGRESS=worker-key only. */
  WorkerUserName?: string;
  /** Present with INGRESS=function-url only. */
  IngressUrl?: string;
  [name: string]: string | undefined;
}

export type Architecture = 'x86_64' | 'arm64';

export interface ImageTool {
  /** Makes a machine image, marked with the hash of its inputs (`imageInputs`), and resolves to its id. */
  build(
    architecture: Architecture,
    options: {
      deploymentId: string;
      region: string;
      /** The subnet in which it is baked, and the base image. */
      subnetId: string;
      instanceType: string;
    },
    progress: (line: string) => void,
  ): Promise<string>;
}

/** The name of a script, and the token with which it is reached. */
export interface WorkerScript {
  /** `eph-<deployment>`. */
  name: string;
  accountId: string;
  apiToken: string;
}

export interface WorkerUpload extends WorkerScript {
  vars: Record<string, string>;
  /** Secrets that are not named here stay as they are. */
  secrets: Record<string, string>;
  /** Secrets that must be deleted. */
  dropSecrets: readonly string[];
}

export interface InstalledWorker {
  vars: Record<string, string>;
  secretNames: readonly string[];
}

export interface WorkerTool {
  /** Version of what would be uploaded: a hash of the bundle. */
  version(): Promise<string>;
  /** Undefined if there is no such script. */
  installed(script: WorkerScript): Promise<InstalledWorker | undefined>;
  upload(upload: WorkerUpload, progress: (line: string) => void): Promise<void>;
  /** Where GitHub delivers, given the host name that the deploy has attached to the Worker. */
  webhookUrl(webhookHost: string): string;
}
