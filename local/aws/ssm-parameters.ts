/** Parameter Store, pure. https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html */
import { AwsError } from './aws-error.ts';

export type ParameterType = 'String' | 'StringList' | 'SecureString';

export interface Parameter {
  name: string;
  type: ParameterType;
  value: string;
  version: number;
  /** Epoch milliseconds. */
  modifiedAt: number;
}

export interface ParameterStore {
  put(input: {
    name: string;
    type?: ParameterType | undefined;
    value: string;
    overwrite?: boolean;
  }): Parameter;
  /** A SecureString read without decryption comes back as ciphertext, not as an error. */
  get(name: string, withDecryption: boolean): Parameter;
  getMany(names: string[], withDecryption: boolean): { parameters: Parameter[]; invalid: string[] };
  byPath(input: ByPath): { parameters: Parameter[]; nextToken?: string };
  /** All parameters without their values. */
  all(): Parameter[];
  delete(name: string): void;
  /** Publishes a parameter of AWS, below /aws/service: nobody else may write there, and no list shows them. */
  publish(name: string, value: string): void;
}

export interface ByPath {
  path: string;
  recursive: boolean;
  withDecryption: boolean;
  maxResults?: number | undefined;
  nextToken?: string | undefined;
}

/** The limit of the standard tier; the advanced tier costs money and is never wanted. */
const MAX_VALUE_BYTES = 4096;
const MAX_PAGE = 10;

export function createParameterStore(now: () => number): ParameterStore {
  const parameters = new Map<string, Parameter>();
  const published = new Map<string, Parameter>();

  const read = (parameter: Parameter, withDecryption: boolean): Parameter =>
    parameter.type === 'SecureString' && !withDecryption
      ? { ...parameter, value: ciphertext(parameter) }
      : parameter;

  return {
    put({ name, type, value, overwrite = false }) {
      checkName(name);
      const earlier = parameters.get(name);
      if (earlier && !overwrite) {
        throw new AwsError(
          'ParameterAlreadyExists',
          'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
        );
      }
      if (!earlier && !type) throw validation('A parameter type is required when you create a parameter.');
      if (value === '')
        throw validation(
          "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.",
        );
      if (/\{\{.*\}\}/s.test(value)) {
        throw validation('Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.');
      }
      if (Buffer.byteLength(value) > MAX_VALUE_BYTES) {
        throw validation(
          'Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.',
        );
      }
      const parameter: Parameter = {
        name,
        type: type ?? earlier?.type ?? 'String',
        value,
        version: (earlier?.version ?? 0) + 1,
        modifiedAt: now(),
      };
      parameters.set(name, parameter);
      return parameter;
    },
    get(name, withDecryption) {
      const parameter = parameters.get(name) ?? published.get(name);
      if (!parameter) throw notFound(name);
      return read(parameter, withDecryption);
    },
    getMany(names, withDecryption) {
      if (names.length > MAX_PAGE) throw validation('Member must have length less than or equal to 10');
      const found = names.flatMap((name) => parameters.get(name) ?? published.get(name) ?? []);
      return {
        parameters: found.map((parameter) => read(parameter, withDecryption)),
        invalid: names.filter((name) => !parameters.has(name) && !published.has(name)),
      };
    },
    byPath({ path, recursive, withDecryption, maxResults = MAX_PAGE, nextToken }) {
      if (!path.startsWith('/')) throw validation('The parameter path must begin with a forward slash.');
      if (maxResults < 1 || maxResults > MAX_PAGE) throw validation('maxResults must be between 1 and 10');
      const prefix = path.endsWith('/') ? path : `${path}/`;
      const below = [...parameters.values()]
        .filter(
          ({ name }) => name.startsWith(prefix) && (recursive || !name.slice(prefix.length).includes('/')),
        )
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const start = Number(nextToken ?? '0');
      const page = below.slice(start, start + maxResults).map((parameter) => read(parameter, withDecryption));
      const end = start + maxResults;
      return end < below.length ? { parameters: page, nextToken: String(end) } : { parameters: page };
    },
    all: () => [...parameters.values()].map((parameter) => read(parameter, false)),
    publish(name, value) {
      published.set(name, { name, type: 'String', value, version: 1, modifiedAt: now() });
    },
    delete(name) {
      if (!parameters.delete(name)) throw notFound(name);
    },
  };
}

function checkName(name: string): void {
  if (/^\/?(aws|ssm)/i.test(name)) {
    throw validation('Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).');
  }
  if (!/^[a-zA-Z0-9_.\-/]{1,1011}$/.test(name) || (name.includes('/') && !name.startsWith('/'))) {
    throw validation('Parameter name must be a fully qualified name.');
  }
}

function ciphertext({ name, version }: Parameter): string {
  return `AQICAH${Buffer.from(`${name}#${version}`).toString('base64')}`;
}

function notFound(name: string): AwsError {
  return new AwsError('ParameterNotFound', `Parameter ${name} not found.`);
}

function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
