import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import * as v from 'valibot';
import { hostBootSchema } from '../../lambdas/providers/ec2/host-boot.ts';
import {
  MAILBOX_VERSION,
  type MailboxSpec,
  mailboxFiles,
  mailboxPrefix,
  mailboxSpecSchema,
  type Progress,
  type PublicService,
  type Result,
} from '../../lambdas/providers/ec2/mailbox.ts';
import type { HostDriver } from '../../local/aws/host-driver.ts';
import type { LocalAws } from '../../local/aws/start-aws.ts';

/**
 * Machines that take no time: they send what the agent reports, without boot, pull, build and app.
 *
 * Life of one: switched on -> reads its mailbox when a deployment spec is put there (an agent that boots reads it
 * every second) -> progress with two services, if they are news -> result -> reads again when notified. Everything
 * goes through S3 with a session of the hosts' role.
 */
export interface InstantHosts extends HostDriver {
  /** Called once the AWS server exists, which needs this driver first. */
  connect(aws: LocalAws): void;
  /** A deployment spec was put into this machine's mailbox. */
  specWritten(instanceId: string): void;
}

export interface InstantHostsOptions {
  /** Milliseconds before each report, so that no report interrupts the control plane at work; 0 sends them at once. */
  pauseMs: number;
  log(line: string): void;
}

interface Machine {
  s3: S3Client;
  bucket: string;
  prefix: string;
  generation: number;
  /** A host that has a deployment spec reads the mailbox again only when it is notified. */
  booting: boolean;
  reported: boolean;
  work: Promise<void>;
}

export function createInstantHosts({ pauseMs, log }: InstantHostsOptions): InstantHosts {
  const machines = new Map<string, Machine>();
  let aws: LocalAws | undefined;

  function switchOn(instanceId: string, userData: string): Machine {
    if (!aws) throw new Error('There is no S3 for machines yet.');
    const boot = v.parse(hostBootSchema, JSON.parse(userData));
    const role = aws.stack.roles.find(({ id }) => id === boot.hostRoleId);
    const session = aws.credentials.role(role?.name ?? '', instanceId);
    return {
      s3: new S3Client({
        region: aws.region,
        endpoint: aws.url,
        forcePathStyle: true,
        credentials: {
          accessKeyId: session.AWS_ACCESS_KEY_ID,
          secretAccessKey: session.AWS_SECRET_ACCESS_KEY,
          ...(session.AWS_SESSION_TOKEN && { sessionToken: session.AWS_SESSION_TOKEN }),
        },
      }),
      bucket: boot.bucket,
      prefix: mailboxPrefix(boot.hostRoleId, instanceId),
      generation: 0,
      booting: true,
      reported: false,
      work: Promise.resolve(),
    };
  }

  function look(instanceId: string): void {
    const machine = machines.get(instanceId);
    if (!machine) return;
    machine.work = machine.work
      .then(() => deploy(machine))
      .catch((error: unknown) => log(`${instanceId}: ${String(error)}`));
  }

  async function deploy(machine: Machine): Promise<void> {
    const spec = await readSpec(machine);
    if (!spec || spec.generation <= machine.generation) return;
    machine.generation = spec.generation;
    machine.booting = false;
    const services = servicesOf(spec);
    const common = { generation: spec.generation, services, warnings: [] };
    if (!machine.reported) {
      const { revision } = spec;
      const progress: Progress = {
        v: MAILBOX_VERSION,
        ...common,
        revision,
        at: Date.now(),
        stage: 'planning',
        timings: {},
      };
      if (pauseMs > 0) await sleep(pauseMs);
      await put(machine, mailboxFiles.progress, progress);
    }
    machine.reported = true;
    if (pauseMs > 0) await sleep(pauseMs);
    const { sha } = spec.source;
    const serving = { generation: spec.generation, sha };
    const result: Result = {
      v: MAILBOX_VERSION,
      ...common,
      sha,
      at: Date.now(),
      outcome: 'ready',
      timings: {},
      serving,
    };
    await put(machine, mailboxFiles.result, result);
  }

  return {
    connect: (connected) => {
      aws = connected;
    },
    specWritten(instanceId) {
      if (machines.get(instanceId)?.booting) look(instanceId);
    },
    async start({ instanceId, userData, first }) {
      const machine = first ? switchOn(instanceId, userData) : machines.get(instanceId);
      if (!machine) throw new Error(`There is no machine ${instanceId}.`);
      machines.set(instanceId, { ...machine, booting: true, reported: false });
      look(instanceId);
    },
    async stop() {},
    async terminate(instanceId) {
      machines.get(instanceId)?.s3.destroy();
      machines.delete(instanceId);
    },
    async run(instanceId) {
      look(instanceId);
      return { code: 0, stdout: '', stderr: '' };
    },
  };
}

async function readSpec({ s3, bucket, prefix }: Machine): Promise<MailboxSpec | undefined> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: prefix + mailboxFiles.spec }));
    return v.parse(mailboxSpecSchema, JSON.parse((await Body?.transformToString()) ?? ''));
  } catch (error) {
    // A host may not list, so S3 denies access to a deployment spec that does not exist yet.
    if (error instanceof Error && ['NoSuchKey', 'AccessDenied'].includes(error.name)) return undefined;
    throw error;
  }
}

async function put({ s3, bucket, prefix }: Machine, name: string, body: Progress | Result): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + name, Body: JSON.stringify(body) }));
}

function servicesOf({ hostname }: MailboxSpec): PublicService[] {
  return [
    { name: 'web', port: 80, hostname, path: '/', primary: true },
    { name: 'api', port: 3000, hostname: `api--${hostname}`, path: '/api', primary: false },
  ];
}
