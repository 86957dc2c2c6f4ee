/** `AWS::EC2::LaunchTemplate` -> the values that RunInstances merges into a request. */
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import type { LaunchData, LaunchTemplate } from './ec2-launch.ts';
import type { Resolver } from './template-intrinsics.ts';

const flag = v.pipe(
  v.union([v.boolean(), v.string()]),
  v.transform((value) => String(value) === 'true'),
);
const schema = v.looseObject({
  LaunchTemplateData: v.looseObject({
    ImageId: v.optional(v.string()),
    InstanceType: v.optional(v.string()),
    SecurityGroupIds: v.optional(v.array(v.string())),
    UserData: v.optional(v.string()),
    IamInstanceProfile: v.optional(v.object({ Arn: v.optional(v.string()), Name: v.optional(v.string()) })),
    InstanceInitiatedShutdownBehavior: v.optional(v.picklist(['stop', 'terminate'])),
    CreditSpecification: v.optional(v.object({ CpuCredits: v.string() })),
    NetworkInterfaces: v.optional(
      v.array(
        v.looseObject({
          DeviceIndex: v.pipe(v.union([v.number(), v.string()]), v.transform(Number)),
          AssociatePublicIpAddress: v.optional(flag),
          Groups: v.optional(v.array(v.string())),
          SubnetId: v.optional(v.string()),
        }),
      ),
    ),
    TagSpecifications: v.optional(
      v.array(
        v.object({
          ResourceType: v.string(),
          Tags: v.array(v.object({ Key: v.string(), Value: v.string() })),
        }),
      ),
      [],
    ),
  }),
});

/** The existing versions, and a further one if these properties differ from the latest. */
export function launchTemplateVersions(
  { facts }: Resolver,
  templateId: string,
  properties: unknown,
): LaunchTemplate['versions'] {
  const data = readLaunchTemplate(properties);
  const there = facts.launchTemplates?.find(({ id }) => id === templateId)?.versions ?? [];
  const latest = there.at(-1);
  if (latest && isDeepStrictEqual(latest.data, data)) return there;
  return [...there, { version: (latest?.version ?? 0) + 1, data }];
}

function readLaunchTemplate(properties: unknown): LaunchData {
  const { LaunchTemplateData: data } = v.parse(schema, properties);
  const tags = data.TagSpecifications.map(({ ResourceType, Tags }) => [
    ResourceType,
    Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value])),
  ]);
  return {
    imageId: data.ImageId,
    instanceType: data.InstanceType,
    securityGroupIds: data.SecurityGroupIds,
    userData: data.UserData,
    instanceProfile: data.IamInstanceProfile?.Arn ?? data.IamInstanceProfile?.Name,
    shutdownBehavior: data.InstanceInitiatedShutdownBehavior,
    cpuCredits: data.CreditSpecification?.CpuCredits,
    networkInterfaces: data.NetworkInterfaces?.map((nic) => ({
      deviceIndex: nic.DeviceIndex,
      subnetId: nic.SubnetId,
      groups: nic.Groups,
      associatePublicIp: nic.AssociatePublicIpAddress,
    })),
    tags: Object.fromEntries(tags),
  };
}
