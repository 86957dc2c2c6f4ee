import { RemovalPolicy } from 'aws-cdk-lib';
import {
  type Attribute,
  AttributeType,
  BillingMode,
  ProjectionType,
  Table,
  type TableProps,
} from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

const text = (name: string): Attribute => ({ name, type: AttributeType.STRING });
const number = (name: string): Attribute => ({ name, type: AttributeType.NUMBER });

/**
 * The tables of Eph. The time to live only deletes rows that nothing will read again: DynamoDB deletes up to two days
 * late, so nothing is ever started by it.
 *
 * Indexes hold keys only: they are eventually consistent, so code that finds a row through one reads the row itself
 * before it acts.
 */
export class Tables extends Construct {
  readonly environments: Table;
  readonly builds: Table;
  readonly hosts: Table;
  readonly events: Table;

  constructor(scope: Construct, id: string) {
    super(scope, id);

    // The table is kept when the stack is deleted: it is the only list of the machines and tunnels that still run. It
    // is not kept after a failed first deploy: it is empty then, and each further try would leave another one behind.
    this.environments = this.table('Environments', {
      partitionKey: text('key'),
      timeToLiveAttribute: 'forgetAt',
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    // The index is sparse: only rows that wait for something have `dueShard`, so a sweep reads in proportion to the
    // rows that are due.
    addIndex(this.environments, 'due', text('dueShard'), number('nextLookAt'));
    addIndex(this.environments, 'hostname', text('hostname'));
    addIndex(this.environments, 'repository', number('repositoryId'));
    addIndex(this.environments, 'installation', number('installationId'));

    this.builds = this.table('Builds', {
      partitionKey: text('environment'),
      sortKey: text('id'),
      timeToLiveAttribute: 'expiresAt',
    });
    this.hosts = this.table('Hosts', { partitionKey: text('instanceId') });
    addIndex(this.hosts, 'environment', text('environment'));
    this.events = this.table('Events', {
      partitionKey: text('environment'),
      sortKey: text('id'),
      timeToLiveAttribute: 'expiresAt',
    });
    acknowledge(this, 'Made again from the environments and from EC2, or only read by people', ['DDB3']);
  }

  private table(id: string, props: TableProps): Table {
    return new Table(this, id, {
      billingMode: BillingMode.PAY_PER_REQUEST,
      removalPolicy: RemovalPolicy.DESTROY,
      ...props,
    });
  }
}

function addIndex(table: Table, indexName: string, partitionKey: Attribute, sortKey?: Attribute): void {
  table.addGlobalSecondaryIndex({
    indexName,
    partitionKey,
    ...(sortKey && { sortKey }),
    projectionType: ProjectionType.KEYS_ONLY,
  });
}
