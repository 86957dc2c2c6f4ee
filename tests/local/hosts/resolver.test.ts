import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { expect, it } from 'vitest';
import { answer, noSuchName } from '../../../local/hosts/start-resolver.ts';

const query = (name: string) => {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([
    Buffer.from('abcd01000001000000000001', 'hex'),
    ...labels,
    Buffer.from('0000010001', 'hex'),
  ]);
};

it('answers that a name does not exist, with the question and nothing else in it', () => {
  const asked = Buffer.concat([query('shop.example'), Buffer.from('0000290fa0000000000000', 'hex')]);
  const reply = noSuchName(asked);
  expect(reply?.subarray(0, 12).toString('hex')).toBe('abcd81830001000000000000');
  expect(reply?.subarray(12)).toEqual(query('shop.example').subarray(12));
});

it('does not answer a message that is no query', () => {
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

/** A name server on loopback that answers every question with `NOERROR` and no record, and remembers them. */
async function startNameserver() {
  const asked: Buffer[] = [];
  const socket = createSocket('udp4').on('message', (message, from) => {
    asked.push(message);
    const reply = noSuchName(message) ?? Buffer.alloc(0);
    reply[3] = 0x80;
    socket.send(reply, from.port, from.address);
  });
  await new Promise<void>((bound) => socket.bind(0, '127.0.0.1', bound));
  return { asked, address: `127.0.0.1:${socket.address().port}`, close: () => socket.close() };
}

it("passes questions on to this machine's name servers, and to the next one if the first does not answer", async () => {
  const working = await startNameserver();
  const gone = await startNameserver();
  gone.close();
  const reply = await answer(query('registry.example'), () => [gone.address, working.address]);
  working.close();
  expect(working.asked).toEqual([query('registry.example')]);
  expect((reply?.[3] ?? -1) & 0x0f).toBe(0);
});

it('answers names that no name server outside can know: one word, localhost', async () => {
  const nameserver = await startNameserver();
  for (const name of ['db', 'shop-pr.eph.localhost', 'LOCALHOST']) {
    const reply = await answer(query(name), () => [nameserver.address]);
    expect(reply, name).toEqual(noSuchName(query(name)));
  }
  nameserver.close();
  expect(nameserver.asked).toEqual([]);
});

it('reports a failure when no name server answers, and an unknown name if the internet cannot be reached', async () => {
  const gone = await startNameserver();
  gone.close();
  const failed = await answer(query('registry.example'), () => [gone.address]);
  expect((failed?.[3] ?? 0) & 0x0f).toBe(2);
  expect(await answer(query('registry.example'), () => [])).toEqual(noSuchName(query('registry.example')));
});
