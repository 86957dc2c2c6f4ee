import * as v from 'valibot';
import type { StackOutputs } from './deploy-tools.ts';

const schema = v.objectWithRest({ JobQueueUrl: v.string(), MailboxBucketName: v.string() }, v.string());

/** @throws ValiError for the outputs of another stack */
export function readOutputs(value: unknown): StackOutputs {
  return v.parse(schema, value);
}
