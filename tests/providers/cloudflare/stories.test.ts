import { describe, expect, it } from 'vitest';
import { createWorld } from '../../fakes/create-world.ts';
import { instanceOf } from '../../fakes/instance-of.ts';
import { createStory, hours, minutes } from '../../fakes/story.ts';

describe('Cloudflare', () => {
  it('that refuses to delete a tunnel does not keep the machine running, and the tunnel goes in the end', async () => {
    const story = createStory(createWorld({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    const lingering = { status: 400, code: 1022, message: 'Cannot delete tunnel: active connections' };
    world.cloudflare.faults.failNext('deleteTunnel', lingering, 3);
    story.close(pull);
    await world.advance(1_000);
    const [instance = ''] = (await story.whatExists()).instances;
    expect(world.ec2.find(instance)?.state).toBe('stopped');
    expect((await story.whatExists()).tunnels).toHaveLength(1);
    await world.advance(minutes(5));
    expect((await story.whatExists()).tunnels).toEqual([]);
    expect((await story.state(pull)).retries).toEqual({});
  });

  it('that has locked out the machine and not deleted its tunnel yet: who reopens then is served all the same', async () => {
    const story = createStory(createWorld({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    const { generation } = await story.state(pull);
    const lingering = { status: 400, code: 1022, message: 'Cannot delete tunnel: active connections' };
    world.cloudflare.faults.failNext('deleteTunnel', lingering, 1);
    story.close(pull);
    await world.advance(1_000);
    story.reopen(pull);
    await world.advance(minutes(10));
    const { host, hostname = '', ...state } = await story.state(pull);
    expect(state).toMatchObject({ phase: 'ready', generation: generation + 1 });
    expect(world.hosts.serving(instanceOf(host ? { host } : {}) ?? '')?.sha).toBe(pull.headSha);
    const [tunnel, ...others] = await world.tunnels.listTunnels();
    expect(others).toEqual([]);
    expect(world.cloudflare.machine.resolve(hostname)?.content).toBe(`${tunnel?.id}.cfargotunnel.com`);
    expect(['healthy', 'degraded']).toContain(world.cloudflare.machine.getTunnel(tunnel?.id ?? '').status);
  });

  it('without room for another record says so, goes on trying, and the preview starts when there is room', async () => {
    const story = createStory();
    const { world } = story;
    for (let n = 0; n < 200; n += 1) {
      world.cloudflare.machine.createRecord({ type: 'TXT', name: `t${n}`, content: 'x' });
    }
    const pull = story.openPullRequest();
    await world.advance(minutes(2));
    expect(story.comment(pull)).toContain('no room for another DNS record');
    for (const { id } of world.cloudflare.machine.listRecords({}).items.slice(0, 5)) {
      world.cloudflare.machine.deleteRecord(id);
    }
    await world.advance(minutes(15));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('with a record of somebody else under our name: permanent, nothing of theirs is touched', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    const theirs = { type: 'CNAME', content: 'somewhere.example.com' };
    world.watch = async (call, perform) => {
      if (call === 'cloudflare createTunnel') {
        const { hostname = '' } = await story.state(pull);
        world.cloudflare.machine.createRecord({ ...theirs, name: hostname });
      }
      return perform();
    };
    await world.advance(minutes(2));
    expect(story.status(pull)).toMatch(/^failure: A DNS record for .* exists and is not ours/);
    story.close(pull);
    await world.advance(minutes(2));
    expect((await story.whatExists()).records).toEqual([(await story.state(pull)).hostname]);
  });

  it('whose tunnel somebody deleted is given a new one, and the records lead to it', async () => {
    const story = createStory();
    const { world } = story;
    const pull = story.openPullRequest();
    await world.advance(hours(1));
    const { hostname = '', generation } = await story.state(pull);
    const [before] = await world.tunnels.listTunnels();
    await world.tunnels.deleteTunnel(before?.id ?? '');
    await world.sweep('compare');
    await world.advance(minutes(10));
    const after = await story.state(pull);
    const [tunnel, ...others] = await world.tunnels.listTunnels();
    expect(others).toEqual([]);
    expect(tunnel?.id).not.toBe(before?.id);
    expect(after.generation).toBe(generation + 1);
    expect(world.cloudflare.machine.resolve(hostname)?.content).toBe(`${tunnel?.id}.cfargotunnel.com`);
    expect((await story.whatExists()).records).toHaveLength(2);
    expect(after.phase).toBe('ready');
  });
});
