import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { previewConfigSchema } from '#core/preview-config';
import { instanceTypes } from '../lambdas/providers/ec2/instance-types.ts';

/**
 * `host/eph.schema.json`, for editors: `# yaml-language-server: $schema=...`. It is generated, so that it cannot
 * differ from the parser and the compute; a test fails while it is out of date.
 */
export const schemaFile = new URL('./eph.schema.json', import.meta.url);

export function previewJsonSchema(): object {
  const entries = { ...previewConfigSchema.entries, instance_type: v.optional(v.picklist(instanceTypes)) };
  const schema = toJsonSchema(v.object(entries), {
    typeMode: 'input',
    // The wire form tolerates unknown keys (a newer control plane may send some); a person's file does not.
    overrideSchema: ({ jsonSchema }) =>
      jsonSchema.type === 'object' && jsonSchema.properties
        ? { ...jsonSchema, additionalProperties: false }
        : undefined,
  });
  return { ...schema, title: 'eph.yaml', description: 'What a repository says about its previews.' };
}

if (import.meta.main) {
  const file = fileURLToPath(schemaFile);
  writeFileSync(file, JSON.stringify(previewJsonSchema(), null, 2));
  execFileSync('npx', ['biome', 'format', '--write', file], { stdio: 'inherit' });
}
