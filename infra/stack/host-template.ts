import { CfnLaunchTemplate } from 'aws-cdk-lib/aws-ec2';
import { CfnInstanceProfile, type Role } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { tags } from '#core/names';

/**
 * The settings that all hosts share. Image, type, subnet and user data are given at launch: they are frozen in the
 * row, together with the version of this template.
 *
 * - Metadata answers version 2 only and one hop far: a container behind a bridge cannot take the role's
 *   credentials. Images marked `v2.0` (Amazon Linux 2023) would otherwise get two hops.
 * - No CPU credits here: EC2 refuses them for a type that is not burstable (InstanceCreditSpecification
 *   .NotSupported, https://github.com/hashicorp/terraform-provider-aws/issues/5067), and the type is chosen
 *   per repository. The launch says `unlimited` for T types (lambdas/providers/ec2/ec2-machines.ts): a new one in
 *   `standard` mode has no credits and would build at a fifth of its speed.
 * - A shutdown from inside (the dead-man timer) stops the machine: the disk is kept.
 * - The company's tags are on machine and disk because the template sets them; the launch adds ours to them (EC2
 *   merges by key).
 */
export class HostTemplate extends Construct {
  readonly templateId: string;
  readonly version: string;

  constructor(
    scope: Construct,
    id: string,
    props: {
      role: Role;
      securityGroupId: string;
      volumeGb: number;
      deploymentId: string;
      /** TAGS of the settings. */
      tags: Record<string, string>;
    },
  ) {
    super(scope, id);
    const profile = new CfnInstanceProfile(this, 'Profile', { roles: [props.role.roleName] });
    const tagged = (resourceType: string, marks: Record<string, string>) => ({
      resourceType,
      tags: Object.entries(marks).map(([key, value]) => ({ key, value })),
    });
    const given = Object.keys(props.tags).length > 0;
    const template = new CfnLaunchTemplate(this, 'Template', {
      // CDK's tags do not reach a launch template, which has its own way of naming them.
      tagSpecifications: [
        tagged('launch-template', { ...props.tags, [tags.deployment]: props.deploymentId }),
      ],
      launchTemplateData: {
        iamInstanceProfile: { arn: profile.attrArn },
        securityGroupIds: [props.securityGroupId],
        metadataOptions: {
          httpEndpoint: 'enabled',
          httpTokens: 'required',
          httpPutResponseHopLimit: 1,
          httpProtocolIpv6: 'disabled',
          instanceMetadataTags: 'disabled',
        },
        instanceInitiatedShutdownBehavior: 'stop',
        blockDeviceMappings: [
          {
            // The root device of Amazon Linux 2023.
            deviceName: '/dev/xvda',
            ebs: {
              volumeType: 'gp3',
              volumeSize: props.volumeGb,
              encrypted: true,
              deleteOnTermination: true,
            },
          },
        ],
        ...(given && { tagSpecifications: [tagged('instance', props.tags), tagged('volume', props.tags)] }),
      },
    });
    this.templateId = template.ref;
    this.version = template.attrLatestVersionNumber;
  }
}
