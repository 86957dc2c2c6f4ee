import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { imageInputs } from '../image/image-files.ts';
import type { Environment } from '../settings/env-file.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { ImageTool } from './deploy-tools.ts';
import { runProgram } from './run-program.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'packer');
/** Packer reads the pins from this file, so that the repository's own file stays unchanged. */
const pinsFile = join(root, 'dist/pins.env');
const manifestFile = join(folder, 'manifest.json');

/** The manifest that the post-processor writes: artifact ids are `<region>:<image>`. */
const manifestSchema = v.object({
  builds: v.pipe(v.array(v.object({ artifact_id: v.string() })), v.minLength(1)),
});

const noPacker = new OperatorError(
  'Packer is not installed here, and the machine image is baked with it.',
  'Install it (https://developer.hashicorp.com/packer/install), or set HOST_IMAGE=stock: hosts then install everything at their first boot, which takes minutes.',
);

/**
 * Packer, with packer/host.pkr.hcl. Takes five to ten minutes.
 *
 * @param resolvePins resolves with the pins that the image is made by
 */
export function packerImage(
  environment: Environment,
  resolvePins: (progress: (detail: string) => void) => Promise<string>,
): ImageTool {
  const packer = (args: string[], onLine: (line: string) => void) =>
    runProgram({
      name: `packer ${args[0]}`,
      program: { executable: 'packer', missing: noPacker },
      args,
      environment: { ...environment, CHECKPOINT_DISABLE: '1', PACKER_NO_COLOR: '1' },
      onLine,
    });

  return {
    async build(architecture, { deploymentId, region, subnetId, instanceType }, progress) {
      const pins = await resolvePins(progress);
      await mkdir(dirname(pinsFile), { recursive: true });
      await writeFile(pinsFile, pins);
      // The pins are an input of the image: if its mark were a hash without them, it would be baked again.
      const inputs = await imageInputs(architecture, pins);
      await packer(['init', folder], progress);
      await rm(manifestFile, { force: true });
      const variables = {
        architecture,
        deployment_id: deploymentId,
        region,
        inputs,
        pins: pinsFile,
        subnet_id: subnetId,
        instance_type: instanceType,
      };
      const given = Object.entries(variables).flatMap(([name, value]) => ['-var', `${name}=${value}`]);
      await packer(['build', '-color=false', ...given, folder], (line) => progress(line.trim()));
      const { builds } = v.parse(manifestSchema, JSON.parse(await readFile(manifestFile, 'utf8')));
      const [, id = ''] = builds.at(-1)?.artifact_id.split(':') ?? [];
      return id;
    },
  };
}
