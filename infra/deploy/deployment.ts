import type { BuiltAgent } from '../../host/build-agent.ts';
import type { DeploySettings } from '../settings/deploy-settings.ts';
import type { parameterNames } from '../settings/settings.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { AwsClients } from './aws-clients.ts';
import type { DeployTools, StackOutputs } from './deploy-tools.ts';
import type { ParameterStore } from './parameter-store.ts';

/** One Eph in its accounts, as the operator's commands see it (`open-deployment.ts` makes it). */
export interface Deployment {
  settings: DeploySettings;
  /** The file that the settings came from, for messages: `.env`. */
  envFile: string;
  aws: AwsClients;
  /** The AWS account and region, in the form of `awsHome`. */
  home(): Promise<string>;
  parameters: ParameterStore;
  names: ReturnType<typeof parameterNames>;
  cloudflare: CloudflareAccess;
  tools: DeployTools;
  terminal: Terminal;
  now(): number;
  randomBytes(count: number): Uint8Array;
  /** What earlier steps of the same run have found. */
  found: Found;
}

export interface CloudflareAccess {
  apiUrl: string;
  accountId: string;
  zoneId: string;
  /** The deploy token: from CLOUDFLARE_API_TOKEN, else Parameter Store. @throws OperatorError: make setup */
  token(): Promise<string>;
}

export interface Found {
  /** The audience of the Access application for all previews. */
  accessAudience?: string;
  /** The agent is bundled once, before anything is changed. */
  agent?: Promise<BuiltAgent>;
  outputs?: StackOutputs | undefined;
}
