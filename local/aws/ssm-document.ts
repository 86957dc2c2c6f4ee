/**
 * Command documents, as far as Eph may use them: schema 2.2, `aws:runShellScript`, and parameters that reach
 * the script as environment variables only (`interpolationType: ENV_VAR` -> `SSM_<name>`). A document that
 * would paste a parameter's text into the shell is refused here, so that it never gets to AWS.
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/documents-syntax-data-elements-parameters.html
 */
import * as v from 'valibot';
import { AwsError } from './aws-error.ts';

export interface CommandDocument {
  name: string;
  parameters: Record<string, { allowedPattern?: string; default?: string }>;
  script: string;
  /** `timeoutSeconds` of the step; the agent's default is an hour. */
  executionTimeoutSeconds: number;
}

const contentSchema = v.looseObject({
  schemaVersion: v.literal('2.2'),
  parameters: v.optional(
    v.record(
      v.pipe(
        v.string(),
        v.regex(
          /^[A-Za-z_][A-Za-z0-9_]*$/,
          'a parameter becomes an environment variable: letters, digits, _',
        ),
      ),
      v.looseObject({
        type: v.literal('String'),
        interpolationType: v.literal('ENV_VAR'),
        allowedPattern: v.optional(v.string()),
        default: v.optional(v.string()),
      }),
    ),
    {},
  ),
  mainSteps: v.tuple([
    v.looseObject({
      action: v.literal('aws:runShellScript'),
      name: v.string(),
      inputs: v.looseObject({
        runCommand: v.union([v.array(v.string()), v.string()]),
        timeoutSeconds: v.optional(v.union([v.number(), v.string()]), 3600),
      }),
    }),
  ]),
});

/** @throws Error with the document and the part that the platform cannot run */
export function parseDocument(name: string, content: unknown): CommandDocument {
  const parsed = v.safeParse(contentSchema, content);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new Error(`SSM document ${name}: ${v.getDotPath(issue) ?? 'content'}: ${issue.message}`);
  }
  const [step] = parsed.output.mainSteps;
  const parameters = Object.entries(parsed.output.parameters).map(([parameter, definition]) => [
    parameter,
    {
      ...(definition.allowedPattern !== undefined && { allowedPattern: definition.allowedPattern }),
      ...(definition.default !== undefined && { default: definition.default }),
    },
  ]);
  return {
    name,
    parameters: Object.fromEntries(parameters),
    script: [step.inputs.runCommand].flat().join('\n'),
    executionTimeoutSeconds: Number(step.inputs.timeoutSeconds),
  };
}

/**
 * The script's environment.
 * @throws AwsError InvalidParameters, before any host gets the command
 */
export function documentEnvironment(
  document: CommandDocument,
  given: Record<string, string[]>,
): Record<string, string> {
  const unknown = Object.keys(given).find((name) => !(name in document.parameters));
  if (unknown) throw invalid(`Parameter ${unknown} is not defined in document ${document.name}`);
  const environment: Record<string, string> = {};
  for (const [name, { allowedPattern, default: fallback }] of Object.entries(document.parameters)) {
    const values = given[name] ?? (fallback === undefined ? [] : [fallback]);
    const [value] = values;
    if (value === undefined) throw invalid(`Parameter ${name} is required by document ${document.name}`);
    if (values.length > 1) throw invalid(`Parameter ${name} of type String takes one value`);
    if (allowedPattern !== undefined && !new RegExp(allowedPattern).test(value)) {
      throw invalid(`Parameter ${name} does not match the allowed pattern ${allowedPattern}`);
    }
    environment[`SSM_${name}`] = value;
  }
  return environment;
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameters', message);
}
