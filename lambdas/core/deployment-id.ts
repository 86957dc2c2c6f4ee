import * as v from 'valibot';

/**
 * The id marks everything that a deployment makes, so that two deployments can share an account and a zone. It is part
 * of names whose length vendors limit: the bucket's (`eph-<id>-<account, 12>-<region, at most 14>`, 63 characters),
 * host names in the zone (`eph-<id>-hooks`, 63) and names in IAM (64, of which CloudFormation adds half).
 */
export const deploymentIdSchema = v.pipe(
  v.string(),
  v.regex(/^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$/, 'is 1 to 16 of a-z, 0-9 and "-", starts with a letter'),
);
