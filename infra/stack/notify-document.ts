import { Stack } from 'aws-cdk-lib';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';

/**
 * The document that notifies a host's agent to read its mailbox. Its only parameter is the generation, a number; the
 * command's text is fixed, so the right to send this document is not the right to run something else.
 *
 * `ENV_VAR`: the SSM agent (>= 3.3.2746.0) hands the value over as `SSM_Generation` and never writes it into
 * the script.
 */
export class NotifyDocument extends Construct {
  readonly document: CfnDocument;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.document = new CfnDocument(this, 'Document', {
      documentType: 'Command',
      documentFormat: 'JSON',
      targetType: '/AWS::EC2::Instance',
      // A change becomes the default version under the same name, which the functions send. With CDK's default,
      // `Replace`, CloudFormation makes another document and deletes this one while functions still use its name.
      updateMethod: 'NewVersion',
      content: {
        schemaVersion: '2.2',
        description: 'Tells the agent of an Eph host to read its mailbox.',
        parameters: {
          Generation: {
            type: 'String',
            description: 'Which generation waits in the mailbox.',
            allowedPattern: '^[0-9]{1,9}$',
            interpolationType: 'ENV_VAR',
          },
        },
        mainSteps: [
          {
            action: 'aws:runShellScript',
            name: 'ring',
            inputs: { timeoutSeconds: '60', runCommand: ['eph-agent ring "$SSM_Generation"'] },
          },
        ],
      },
    });
  }

  get name(): string {
    return this.document.ref;
  }

  get arn(): string {
    return Stack.of(this).formatArn({ service: 'ssm', resource: 'document', resourceName: this.name });
  }
}
