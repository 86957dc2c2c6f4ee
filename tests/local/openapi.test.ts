import { describe, expect, it } from 'vitest';
import { createOpenApiValidator, describeProblems } from '../../local/openapi.ts';

const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: object) => ({ content: { 'application/json': { schema } } });

const validator = createOpenApiValidator(
  {
    paths: {
      '/things/{id}': {
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
        get: {
          operationId: 'things/get',
          parameters: [{ $ref: '#/components/parameters/deep' }],
          responses: { 200: { description: '', ...json(reference('thing')) }, 204: { description: '' } },
        },
        patch: {
          operationId: 'things/update',
          requestBody: {
            required: true,
            ...json({ type: 'object', required: ['name'], properties: { name: { type: 'string' } } }),
          },
          responses: { 200: { description: '', ...json(reference('thing')) } },
        },
      },
      '/things/special': { get: { operationId: 'things/special', responses: { 204: { description: '' } } } },
      '/files/{path}': {
        get: {
          operationId: 'files/get',
          parameters: [
            { name: 'path', in: 'path', required: true, schema: { type: 'string' }, 'x-multi-segment': true },
          ],
          responses: { 204: { description: '' } },
        },
      },
    },
    components: {
      parameters: { deep: { name: 'deep', in: 'query', schema: { type: 'boolean' } } },
      schemas: {
        error: { type: 'object', required: ['message'], properties: { message: { type: 'string' } } },
        owner: { type: 'object', required: ['login'], properties: { login: { type: 'string' } } },
        thing: {
          type: 'object',
          required: ['name', 'owner'],
          properties: {
            name: { type: 'string' },
            state: { type: 'string', enum: ['on', 'off'], nullable: true },
            owner: { nullable: true, allOf: [reference('owner')] },
            url: { type: 'string', format: 'uri', default: '' },
            size: { type: 'number', minimum: 0, exclusiveMinimum: true },
          },
        },
      },
    },
  },
  { errorSchema: '#/components/schemas/error' },
);

describe('checking traffic against an OpenAPI description', () => {
  it('finds the operation with the most literal path, and paths that span segments', () => {
    expect(validator.operation('GET', '/things/special')?.id).toBe('things/special');
    expect(validator.operation('get', '/things/7')).toMatchObject({
      id: 'things/get',
      pathParameters: { id: '7' },
    });
    expect(validator.operation('GET', '/files/a/b.txt')?.pathParameters).toEqual({ path: 'a/b.txt' });
    expect(validator.operation('GET', '/files')?.pathParameters).toEqual({ path: '' });
    expect(validator.operation('DELETE', '/things/7')).toBeUndefined();
  });

  it('names the errors in a request', () => {
    const problems = [
      ...validator.request('GET', '/nothing', {}, undefined),
      ...validator.request('GET', '/things/x', { deep: 'perhaps', wide: '1' }, undefined),
      ...validator.request('PATCH', '/things/7', {}, undefined),
      ...validator.request('PATCH', '/things/7', {}, { name: 7 }),
    ];
    expect(describeProblems(problems).split('\n')).toEqual([
      'operation: GET /nothing is not in the description',
      'path id: must be integer',
      'query deep: must be boolean',
      'query wide: is not in the description',
      'body: is required',
      'body /name: must be string',
    ]);
    expect(validator.request('GET', '/things/7', { deep: 'true' }, undefined)).toEqual([]);
  });

  it('accepts null where the description says nullable, and nowhere else', () => {
    const reply = (body: object) =>
      validator.reply('GET', '/things/7', 200, { name: 'a', owner: null, ...body });
    expect(reply({ state: null })).toEqual([]);
    expect(reply({ owner: { login: 'me' }, state: 'on', url: '' })).toEqual([]);
    expect(describeProblems(reply({ name: null }))).toBe('reply /name: must be string');
    expect(reply({ state: 'broken' })).toHaveLength(1);
    expect(reply({ owner: {} })).not.toEqual([]);
    expect(reply({ url: 'no address' })).not.toEqual([]);
    expect(reply({ size: 0 })).toHaveLength(1);
  });

  it('accepts errors that the description leaves out, in the common form only', () => {
    expect(validator.reply('GET', '/things/7', 404, { message: 'Not Found' })).toEqual([]);
    expect(validator.reply('GET', '/things/7', 404, {})).toHaveLength(1);
    expect(validator.reply('GET', '/things/7', 201, {})).toHaveLength(1);
    expect(validator.reply('GET', '/things/7', 204, { surprise: true })).toHaveLength(1);
  });
});
