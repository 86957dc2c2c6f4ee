import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { expect, it } from 'vitest';
import { noSuchName } from '../../../local/hosts/start-resolver.ts';

const query = (name: string) => {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([
    Buffer.from('abcd01000001000000000001', 'hex'),
    ...labels,
    Buffer.from('0000010001', 'hex'),
  ]);
};

it('answers that there is no such name, with the question and nothing else in it', () => {
  const asked = Buffer.concat([query('shop.example'), Buffer.from('0000290fa0000000000000', 'hex')]);
  const reply = noSuchName(asked);
  expect(reply?.subarray(0, 12).toString('hex')).toBe('abcd81830001000000000000');
  expect(reply?.subarray(12)).toEqual(query('shop.example').subarray(12));
});

it('does not answer what is no query', () => {
  expect(noSuchName(Buffer.alloc(5))).toBeUndefined();
  expect(noSuchName(noSuchName(query('shop')) ?? Buffer.alloc(0))).toBeUndefined();
  expect(noSuchName(query('shop').subarray(0, 15))).toBeUndefined();
});

it('is understood by a resolver', async () => {
  const socket = createSocket('udp4').on('message', (message, from) => {
    socket.send(noSuchName(message) ?? '', from.port, from.address);
  });
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
  const resolver = new Resolver({ timeout: 2_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  await expect(resolver.resolve4('no.such.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  socket.close();
});
