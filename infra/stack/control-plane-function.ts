import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { AssetHashType, DockerImage, type Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  type RecursiveLoop,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { JOB_TIMEOUT } from './job-queue.ts';

const lambdas = join(import.meta.dirname, '../../lambdas');

/**
 * A Lambda function of the control plane, bundled from one file of lambdas/handlers.
 *
 * - It is bundled by `bundle-function.ts` and not by CDK's NodejsFunction, which calls esbuild without plugins: with
 *   the plugin that allows unused parts of the SDK to be removed it is 0.87 MB and loads in 113 ms, without it 1.46
 *   MB and 250 ms.
 * - The role may write to the function's own log group and nothing else; further rights are added where they are
 *   used. (AWSLambdaBasicExecutionRole may write to every log group.)
 * - It has no reserved concurrency: that would be taken from an account that may have ten.
 */
export class ControlPlaneFunction extends Construct {
  readonly function: LambdaFunction;
  readonly role: Role;
  readonly logGroup: LogGroup;

  constructor(
    scope: Construct,
    id: string,
    props: {
      handler: `${string}.ts`;
      description: string;
      environment: Record<string, string>;
      timeout?: Duration;
      memoryMb?: number;
      /** What Lambda does with a function that sends to the queue it is called by. */
      recursiveLoop?: RecursiveLoop;
    },
  ) {
    super(scope, id);
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.logGroup.grantWrite(this.role);

    this.function = new LambdaFunction(this, 'Function', {
      description: props.description,
      code: bundled(join(lambdas, 'handlers', props.handler)),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      timeout: props.timeout ?? JOB_TIMEOUT,
      memorySize: props.memoryMb ?? 512,
      ...(props.recursiveLoop && { recursiveLoop: props.recursiveLoop }),
      role: this.role,
      logGroup: this.logGroup,
      environment: { ...props.environment, NODE_OPTIONS: '--enable-source-maps' },
    });
  }
}

/** Bundles in a process of its own: esbuild's plugins are asynchronous, and constructs are made synchronously. */
function bundled(entry: string): Code {
  return Code.fromAsset(lambdas, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // CDK needs an image in case bundling here is not possible; it is, or it fails with esbuild's message.
      image: DockerImage.fromRegistry('none'),
      // This command never runs. CDK takes two bundlings of one folder with the same options for one, and would
      // deploy the first function's code as the second's.
      command: [entry],
      local: {
        tryBundle(folder) {
          const script = join(import.meta.dirname, 'bundle-function.ts');
          execFileSync(process.execPath, [script, entry, folder], { stdio: ['ignore', 'ignore', 'inherit'] });
          return true;
        },
      },
    },
  });
}
