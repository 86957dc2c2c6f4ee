import { CreateTableCommand, type CreateTableCommandInput } from '@aws-sdk/client-dynamodb';
import { tableDefinitions } from './table-definitions.ts';
import { type Emulated, startEmulated } from './wire-servers.ts';

/** The emulators, with the tables of the stack. */
export async function startTables(): Promise<Emulated> {
  const emulated = await startEmulated();
  for (const definition of tableDefinitions()) {
    await emulated.dynamodb.send(new CreateTableCommand(definition as CreateTableCommandInput));
  }
  return emulated;
}
