import { App, type CfnElement, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { Tables } from '../../../infra/stack/tables.ts';

/** The tables as the stack makes them, because CloudFormation and the API have the same names of properties. */
export function tableDefinitions(): object[] {
  // The rules of CloudFormation take seconds to load; tests/infra checks the whole stack by them.
  const app = new App({ builtinCloudFormationValidation: false });
  const stack = new Stack(app, 'Contracts');
  const tables = new Tables(stack, 'Tables');
  const found = Template.fromStack(stack).findResources('AWS::DynamoDB::Table');
  const define = (TableName: string, table: Table): object => {
    const id = stack.getLogicalId(table.node.defaultChild as CfnElement);
    const { KeySchema, AttributeDefinitions, GlobalSecondaryIndexes } = found[id]?.['Properties'] ?? {};
    const indexes = GlobalSecondaryIndexes ? { GlobalSecondaryIndexes } : {};
    return { TableName, BillingMode: 'PAY_PER_REQUEST', KeySchema, AttributeDefinitions, ...indexes };
  };
  return [
    define('environments', tables.environments),
    define('builds', tables.builds),
    define('hosts', tables.hosts),
    define('events', tables.events),
  ];
}
