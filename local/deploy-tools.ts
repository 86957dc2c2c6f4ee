import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import type {
  DeployTools,
  ImageTool,
  InstalledWorker,
  StackOutputs,
  StackTool,
  WorkerTool,
} from '../infra/deploy/deploy-tools.ts';
import { readOutputs } from '../infra/deploy/read-outputs.ts';
import { imageInputs } from '../infra/image/image-files.ts';
import type { Environment } from '../infra/settings/env-file.ts';
import { OperatorError } from '../infra/terminal/operator-error.ts';
import { bundleWorker } from './build-product.ts';
import { synthesiseStack } from './synthesise-stack.ts';
import { bundleHash } from './worker/worker-slot.ts';

/**
 * CDK, wrangler and Packer for the local platform: they synthesise, bundle and validate as for the real vendors, then
 * pass the result to the running platform through its control server.
 *
 * @param environment of `.local/platform.env`: LOCAL_PLATFORM and LOCAL_WORKER are addresses, LOCAL_CACHE is the
 * folder that keeps builds
 */
export function deployTools(environment: Environment): DeployTools {
  const control = createControl(environment['LOCAL_PLATFORM'] ?? '');
  const cache = environment['LOCAL_CACHE'] ?? '.local/cache';
  return {
    stack: localStack(control, environment, cache),
    image: localImage(control),
    worker: localWorker(control, environment['LOCAL_WORKER'] ?? '', cache),
  };
}

type Control = ReturnType<typeof createControl>;

function createControl(url: string) {
  return {
    /** Undefined if the platform has none. @throws OperatorError where no platform answers */
    async call(method: string, path: string, body?: unknown): Promise<unknown> {
      const reply = await fetch(`${url}${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }).catch((cause: unknown) => {
        throw new OperatorError(
          'The local platform of this settings file does not answer.',
          'Start it: make local writes a new .local/platform.env.',
          { cause },
        );
      });
      const answer: unknown = await reply.json();
      if (reply.status === 404) return undefined;
      if (reply.ok) return answer;
      const { error } = v.parse(v.object({ error: v.string() }), answer);
      throw new OperatorError(`The local platform refuses ${method} ${path}: ${error}`);
    },
  };
}

const stackSchema = v.object({
  template: v.looseObject({ Resources: v.record(v.string(), v.looseObject({ Type: v.string() })) }),
  outputs: v.unknown(),
});

function localStack(control: Control, environment: Environment, cache: string): StackTool {
  const current = async () => {
    const answer = await control.call('GET', '/stack');
    return answer === undefined ? undefined : v.parse(stackSchema, answer);
  };
  const synthesise = (found: Environment) =>
    synthesiseStack(cache, { ...environment, ...found }, () => undefined);
  return {
    async diff(found) {
      const { template } = await synthesise(found);
      const wanted = v.parse(stackSchema.entries.template, template).Resources;
      return changes((await current())?.template.Resources ?? {}, wanted);
    },
    async deploy(found, progress) {
      progress('synthesising the template');
      const { template, assets } = await synthesise(found);
      progress('handing it to the platform');
      const { outputs } = v.parse(stackSchema, await control.call('POST', '/stack', { template, assets }));
      return readOutputs(outputs);
    },
    async outputs(): Promise<StackOutputs | undefined> {
      const stack = await current();
      return stack && readOutputs(stack.outputs);
    },
    state: async () => ((await current()) ? 'CREATE_COMPLETE' : undefined),
    async destroy(progress) {
      progress('removing it from the platform');
      await control.call('DELETE', '/stack');
    },
  };
}

type Resources = Record<string, { Type: string }>;

/** The changes in the form that `cdk diff` prints. */
function changes(before: Resources, after: Resources): string[] {
  return Object.keys({ ...before, ...after }).flatMap((id) => {
    const [old, wanted] = [before[id], after[id]];
    if (!old) return [`+ ${wanted?.Type} ${id}`];
    if (!wanted) return [`- ${old.Type} ${id}`];
    return isDeepStrictEqual(old, wanted) ? [] : [`~ ${wanted.Type} ${id}`];
  });
}

function localWorker(control: Control, address: string, cache: string): WorkerTool {
  const bundle = () => bundleWorker(cache, () => undefined);
  return {
    version: async () => bundleHash(await readFile(await bundle())),
    async installed(): Promise<InstalledWorker | undefined> {
      const answer = await control.call('GET', '/worker');
      if (answer === undefined) return undefined;
      const schema = v.object({
        vars: v.record(v.string(), v.string()),
        secretNames: v.array(v.string()),
      });
      return v.parse(schema, answer);
    },
    async upload({ name, vars, secrets, dropSecrets }, progress) {
      progress('starting it');
      const upload = { name, bundle: await bundle(), vars, secrets, dropSecrets };
      await control.call('POST', '/worker', upload);
    },
    // GitHub's stand-in delivers straight to workerd; a host name of the zone resolves on this machine only.
    webhookUrl: () => `${address}/webhooks/github`,
  };
}

/** Loaded by require: its own types include those of browsers, whose streams differ from Node's. */
const { parse }: { parse(file: string, text: string): Promise<unknown> } = createRequire(import.meta.url)(
  '@cdktf/hcl2json',
);
const packerFolder = join(import.meta.dirname, '../packer');

/** Packer's own `validate` asks AWS; this only checks that the files can be read. */
async function validateDefinition(): Promise<void> {
  for (const name of (await readdir(packerFolder)).filter((file) => file.endsWith('.pkr.hcl'))) {
    try {
      await parse(name, await readFile(join(packerFolder, name), 'utf8'));
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new OperatorError(`packer/${name} cannot be read: ${said}`, undefined, { cause });
    }
  }
}

function localImage(control: Control): ImageTool {
  return {
    async build(architecture, { deploymentId }, progress) {
      progress('validating its definition');
      await validateDefinition();
      progress('registering it with the platform');
      const inputs = await imageInputs(architecture);
      // The name contains the time, as in packer/host.pkr.hcl: EC2 refuses a second image with the same name.
      const name = `eph-${deploymentId}-${architecture}-${inputs.slice(0, 12)}-${Date.now()}`;
      const tags = { 'eph:deployment': deploymentId, 'eph:inputs': inputs };
      const answer = await control.call('POST', '/images', { name, architecture, tags });
      return v.parse(v.object({ id: v.string() }), answer).id;
    },
  };
}
